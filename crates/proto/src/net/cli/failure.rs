//! How an error reaches a person: what failed and why, what can be done about it, and an exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::net::ListenError;

/// Something failed.
const FAILED: u8 = 1;

/// The command line is not understood; what clap refuses ends with this code too.
const WRONG_USAGE: u8 = 2;

/// An error with what can be done about it.
#[derive(Debug)]
struct Hinted {
    error: anyhow::Error,
    hint: String,
    code: u8,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl std::error::Error for Hinted {}

/// Adds to an error what a person can do about it; [`exit_code`] prints it.
pub fn hinted(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> anyhow::Error {
    Hinted {
        error: error.into(),
        hint: hint.into(),
        code: FAILED,
    }
    .into()
}

/// [`hinted`], for a command line, or an environment, that lacks something or cannot be understood.
pub fn misused(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> anyhow::Error {
    Hinted {
        error: error.into(),
        hint: hint.into(),
        code: WRONG_USAGE,
    }
    .into()
}

/// What to do about an address that `flag` gave.
#[must_use]
pub fn not_listening(error: ListenError, flag: &str) -> anyhow::Error {
    let hint = error.hint(&format!(" with {flag}"));
    hinted(error, hint)
}

/// Maps a program's result to its exit code, after printing the error and its hint to stderr.
#[must_use]
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let mut stderr = anstream::stderr().lock();
    let red = anstyle::AnsiColor::Red.on_default().bold();
    // When stderr is gone there is nobody left to tell.
    let _ = write_failure(&mut stderr, red, &error);
    ExitCode::from(failure_code(&error))
}

/// The exit code of a program that ends with this error: 2 for wrong usage, 1 for whatever else.
#[must_use]
pub fn failure_code(error: &anyhow::Error) -> u8 {
    find(error).map_or(FAILED, |hinted| hinted.code)
}

fn find(error: &anyhow::Error) -> Option<&Hinted> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// Writes what failed and why, each cause once, and the hint on a line of its own: that of [`hinted`], or the one that an
/// error of a library brings with it after `; hint: `.
fn write_failure(to: &mut impl io::Write, red: anstyle::Style, error: &anyhow::Error) -> io::Result<()> {
    let mut message = String::new();
    let mut hint = find(error).map(|hinted| hinted.hint.clone());
    for cause in error.chain().map(ToString::to_string) {
        let (what, own_hint) = match cause.split_once("; hint: ") {
            Some((what, hint)) => (what, Some(hint.to_owned())),
            None => (&*cause, None),
        };
        hint = hint.or(own_hint);
        // Many errors name their source themselves.
        if !message.contains(what) {
            message.push_str(if message.is_empty() { "" } else { ": " });
            message.push_str(what);
        }
    }
    writeln!(to, "{red}error:{red:#} {message}")?;
    hint.map_or(Ok(()), |hint| writeln!(to, "hint: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_has_a_code_of_its_own_through_more_context() {
        let code = |error: anyhow::Error| failure_code(&error.context("failed to start"));
        assert_eq!(code(misused(anyhow::anyhow!("no name"), "give one")), 2);
        assert_eq!(code(hinted(anyhow::anyhow!("no room"), "make some")), 1);
        assert_eq!(code(anyhow::anyhow!("no luck")), 1);
    }

    #[test]
    fn a_hint_survives_more_context() {
        check_told(
            hinted(io::Error::other("disk full"), "make room").context("failed to start"),
            "error: failed to start: disk full\nhint: make room\n",
        );
    }

    #[test]
    fn a_hint_within_an_error_has_its_own_line_and_no_cause_is_told_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to listen: {source}; hint: choose another address")]
        struct Listen {
            source: io::Error,
        }
        let error = Listen {
            source: io::Error::other("in use"),
        };
        check_told(
            anyhow::Error::from(error).context("failed to start"),
            "error: failed to start: failed to listen: in use\nhint: choose another address\n",
        );
    }

    fn check_told(error: anyhow::Error, expected: &str) {
        let mut told = Vec::new();
        write_failure(&mut told, anstyle::Style::new(), &error).unwrap();
        assert_eq!(String::from_utf8(told).unwrap(), expected);
    }
}
