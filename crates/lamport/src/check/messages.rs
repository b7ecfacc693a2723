//! Rules of the clock between processes: every receive has its send, and is later.

use super::numbered::Numbered;
use super::{Names, Place, Report, Rule, Run, Seen, Violation};
use crate::trace::Kind;

/// Sends by message identity, and receives that came before their send in the reading.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The part of identities that names the sender: `chat` in `chat@41`, the connection in `c-7/3`.
    senders: Names,
    sends: Vec<Numbered<Send>>,
    early: Vec<Early>,
}

#[derive(Debug, Clone, Copy)]
struct Send {
    time: u64,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
struct Early {
    message: Identity,
    time: u64,
    place: Place,
}

/// A message identity, taken apart into the sender and the sender's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    sender: u32,
    number: u64,
}

/// A number for identities that have none of their own; each is then a sender by itself.
const WHOLE: u64 = u64::MAX;

impl Messages {
    pub(super) fn event(&mut self, seen: &Seen<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        if seen.event.kind == Kind::Local {
            return Ok(());
        }
        let Some(text) = &seen.event.message else {
            report.unproved("sends and receives that name no message");
            return Ok(());
        };
        let message = self.identity(text);
        let time = seen.event.lamport;
        let sends = &mut self.sends[message.sender as usize];
        if seen.event.kind == Kind::Send {
            report.test(Rule::SentOnce);
            if let Err(first) = sends.insert(
                message.number,
                Send {
                    time,
                    place: seen.place,
                },
            ) {
                return Err(Violation::new(
                    Rule::SentOnce,
                    format!("{text} is sent twice"),
                    [
                        (first.place, format!("its first send, at {}", first.time)),
                        (seen.place, seen.describe()),
                    ],
                ));
            }
            return Ok(());
        }
        let Some(&send) = sends.get(message.number) else {
            self.early.push(Early {
                message,
                time,
                place: seen.place,
            });
            return Ok(());
        };
        report.test(Rule::ReceiveHasSend);
        report.test(Rule::ReceiveAfterSend);
        later(text, send, time, seen.place)?;
        Ok(())
    }

    pub(super) fn finish(&self, run: &Run<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        let all_complete = run.complete.iter().all(|complete| *complete);
        for early in &self.early {
            let sends = &self.sends[early.message.sender as usize];
            let text = self.text(early.message);
            if let Some(&send) = sends.get(early.message.number) {
                report.test(Rule::ReceiveHasSend);
                report.test(Rule::ReceiveAfterSend);
                later(&text, send, early.time, early.place)?;
                continue;
            }
            // `P1@4` names its process; whose connection `c-7` is, only its other sends could tell.
            let sender = self.senders.text(early.message.sender);
            let process = run.processes.find(sender);
            let traced = !sends.is_empty() || process.is_some();
            let complete = process.map_or(all_complete, |process| run.complete[process as usize]);
            if (traced && complete) || run.options.complete {
                return Err(Violation::new(
                    Rule::ReceiveHasSend,
                    format!("nobody sent {text}"),
                    [(early.place, format!("its receive, at {}", early.time))],
                ));
            }
            report.unproved(if traced {
                "receives whose sender's trace is incomplete"
            } else {
                "receives from processes that were not traced"
            });
        }
        Ok(())
    }

    fn identity(&mut self, text: &str) -> Identity {
        let (sender, number) = match split(text) {
            Some((sender, number)) => (self.senders.number(sender), number),
            None => (self.senders.number(text), WHOLE),
        };
        if self.sends.len() <= sender as usize {
            self.sends.resize_with(sender as usize + 1, Numbered::default);
        }
        Identity { sender, number }
    }

    fn text(&self, message: Identity) -> String {
        let sender = self.senders.text(message.sender);
        if message.number == WHOLE {
            sender.to_owned()
        } else {
            format!("{sender} number {}", message.number)
        }
    }
}

fn later(text: &str, send: Send, time: u64, place: Place) -> Result<(), Box<Violation>> {
    if time > send.time {
        return Ok(());
    }
    Err(Violation::new(
        Rule::ReceiveAfterSend,
        format!("{text} is received at {time}, and was sent at {}", send.time),
        [
            (send.place, format!("its send, at {}", send.time)),
            (place, format!("its receive, at {time}")),
        ],
    ))
}

/// Takes `chat@41` or `c-7/3` apart. Only a number in its one usual form counts, so that no two texts are the same.
fn split(text: &str) -> Option<(&str, u64)> {
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (sender, number) = text.split_at(text.len() - digits);
    if digits == 0 || digits > 18 || (digits > 1 && number.starts_with('0')) {
        return None;
    }
    // The separator stays with the sender of a request, so that the connection `P1` is not the process `P1`.
    let sender = if sender.ends_with('/') {
        sender
    } else {
        sender.strip_suffix('@')?
    };
    Some((sender, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_its_sender_and_a_number() {
        assert_eq!(split("chat@41"), Some(("chat", 41)));
        assert_eq!(split("c-7/3"), Some(("c-7/", 3)));
        assert_eq!(split("a@b@0"), Some(("a@b", 0)));
        for whole in [
            "",
            "chat",
            "chat@",
            "chat@041",
            "chat41",
            "41",
            "P1@12345678901234567890",
        ] {
            assert_eq!(split(whole), None, "{whole:?}");
        }
    }
}
