//! The bank as its clients meet it: the real binary over the wire, with faults.
//!
//! Every fault test has two halves. One runs a load against the real program, kills it, cuts its connections or sends
//! it nonsense, and hands what was seen to a checker. The other, its control, runs the same load against a toy bank
//! ([`support::toy`]) with one fault planted, and demands that the same checker finds it: without it, "nothing lost"
//! would only mean "nothing noticed".
//!
//! ```text
//! cargo test -p bank --test wire                                  the quick sizes
//! ANTES_SLOW=1 cargo test -p bank --profile slow-tests --test wire       200 cycles of kill -9, 100 of SIGTERM
//! ANTES_CYCLES=1000 cargo test -p bank --profile slow-tests --test wire kill_loses -- --nocapture     the long run
//! ANTES_SEED=7 cargo test -p bank --test wire NAME                repeats a run's random choices
//! ```

#![expect(clippy::print_stdout, reason = "what a test prints is shown when it fails")]

mod amounts;
mod atm;
mod bad_input;
mod connections;
mod consistency;
mod crashes;
mod flow;
mod keys;
mod pins;
mod refusals;
mod sample_session;
mod stamps;
mod support;
mod untold;
