//! Records of what happened: the events of one or several processes, one event a line, or one line for many that are alike.
//!
//! A service holds a [`Tracer`] and tells it every event of its process: a send, a receive, a local event, each with
//! the Lamport time it has. [`Tracer::off`] costs one branch and builds nothing. What was recorded is read back with
//! [`Reader`]; [`TraceEvent`] is one event, [`facts`] names what the services tell about theirs so that the run can be
//! checked afterwards.
//!
//! ```
//! use lamport::trace::{Event, Kind, Message, Reader, Record, Service, Tracer, facts, facts::fact};
//! use lamport::{Clock, ProcessId};
//!
//! let dir = std::env::temp_dir().join(format!("lamport-doc-{}", std::process::id()));
//! let clock = Clock::new();
//! let tracer = Tracer::to_file(&dir, ProcessId::new("chat")?, Service::Chat)?;
//!
//! let room = [fact(facts::ROOM, "lobby"), fact(facts::SEQ, 41u64)];
//! let said = Event { kind: Kind::Send, label: "said", message: Message::Own, facts: &room };
//! tracer.record(clock.tick()?, &said);
//! assert_eq!(tracer.close()?.written, 1);
//!
//! let mut reader = Reader::open(&dir)?;
//! let Some(Record::Event(event)) = reader.read()? else { panic!("one event was recorded") };
//! assert_eq!(event.message.as_deref(), Some("chat@1"));
//! # std::fs::remove_file(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The file
//!
//! ```text
//! {"process":"chat","lamport":12,"kind":"send","message":"chat@12","label":"said","at_us":1795226542001250,
//!  "service":"chat","facts":[{"room":"lobby","seq":41,"name":"Bernardo"}]}
//! {"dropped":17}
//! {"closed":true,"written":130211,"dropped":17}
//! ```
//!
//! (The first is one line.) Where many events come close together, most are told in *short lines* such as `[0,3,40,3,0,1]`,
//! by what is new in them against an earlier one:
//!
//! ```text
//! {"as":0,"process":"chat","lamport":12,"kind":"send","message":"chat@12","label":"said","at_us":1795226542001250,
//!  "service":"chat","facts":[{"room":"lobby","seq":41,"name":"Bernardo"}]}
//! [0,3,40,3,0,1]
//! [0,3,0,3,0,1,"Antonio"]
//! [0,3,0,3,0,1]
//! {"again":250}
//! ```
//!
//! A line may give itself a number below 1000, `as`, which then stands first in it and without spaces, as above. A short line
//! is a list that begins with such a number; what follows is what is new against the latest event of that number, in this
//! order: Lamport time, wall time, message (if it has one), each fact, label. An integer is added to what was there, in a
//! message to the digits at its end; a text takes the place of what was there; 0 leaves it, and so does what is missing at
//! the end. The second line above happened at 15, 40 µs later, as `chat@15` with `seq` 42; the third at 18 with `seq` 43
//! and the name Antonio. What a short line of integers only tells can happen `again`, up to 4000 times, which the line right
//! after it says: the last one above stands for 250 events, the first at 24 with `seq` 45, the next at 27 with `seq` 46. Such a
//! file is read whole, from its beginning; `lamport export lines` writes every event out in full.
//!
//! A label is cut after 128 bytes ([`limits::LABEL_BYTES_MAX`]), one that is new in a short line after 32, and ends in `…`
//! then. Of events that come at once and go on as the one before in all but the label, the first 64 tell theirs, and `…`
//! stands for the others. Nothing else is ever cut.
//!
//! Unknown keys are ignored. Events of one process stand in the order in which they happened;
//! events of several processes in one file, or in several, have no order but the one their stamps and messages give.
//! A `dropped` record stands where events are missing because the disk could not keep up. A file that does not end
//! with `closed` was cut short: its process was killed, or is still running.
//!
//! `message` names what was sent, equal at the send and at each of its receives. What a server sends with stamp `t`
//! is `<process>@t`; a client's request is `<connection>/<n>`, where `n` counts the stamped requests of that
//! connection from 1. `at_us` is wall time in microseconds since the Unix epoch: a message crosses a loopback
//! connection in 50 to 500 µs, so that in whole milliseconds most arrows of a diagram would stand upright.
//!
//! # What it costs
//!
//! In a rush, in the services, recording and writing an event takes 50 to 300 ns of CPU time and 5 to 40 bytes (see [`Tracer`],
//! [`BatchTracer`] and [`SharedTracer`]); one that is [known to go on](BatchTracer::again) as the one before takes 5 ns.

mod canonical;
mod event;
pub mod facts;
mod general;
mod json;
pub mod limits;
mod lines;
mod read_error;
mod reader;
mod recorder;
mod short;

pub(crate) use json::acts_on_a_terminal;

pub use event::{Event, Kind, Message, Record, Service, Summary, TraceEvent};
pub use facts::{Fact, Value};
pub use limits::LINE_BYTES_MAX;
pub use read_error::{ReadError, ReadProblem};
pub use reader::Reader;
pub use recorder::{BatchTracer, CloseError, Here, LaneGuard, SharedTracer, Tracer};
