//! The real program on disks that fail under it.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod full;
mod injected;
mod wire;
