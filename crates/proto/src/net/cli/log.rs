//! The log of a program: lines on stderr, one for each event, that do nothing to a terminal.
//!
//! What is logged may repeat what a stranger sent. So every text is shown [harmlessly](Harmless), newlines included: nobody
//! writes lines into our log, or colours, or text that runs backwards.

use std::fmt::Debug;
use std::io::{self, IsTerminal as _};

use anstyle::Style;
use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::failure::misused;
use crate::Harmless;

/// Sends logs to stderr: with colours where a person reads them, and without where `NO_COLOR` is set or a program does.
///
/// # Errors
///
/// When `filter` is not understood.
pub fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        misused(
            anyhow::anyhow!("{filter:?} is no filter for the log: {error}"),
            "use error, warn, info, debug, trace, or a filter such as info,chat=debug",
        )
    })?;
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    lines(filter, colours, io::stderr).init();
    Ok(())
}

fn lines<W>(filter: EnvFilter, colours: bool, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(to)
        .with_ansi(colours)
        .fmt_fields(debug_fn(write_field).delimited(" "))
        .finish()
}

fn write_field(to: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    let value = format!("{value:?}");
    let value = Harmless(&value);
    if field.name() == "message" {
        return write!(to, "{value}");
    }
    let name = match to.has_ansi_escapes() {
        true => Style::new().italic(),
        false => Style::new(),
    };
    write!(to, "{name}{field}{name:#}={value}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of an event, a field and a span that repeat `text`.
    fn logged(text: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = lines(EnvFilter::new("info"), false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("connection", name = %text).entered();
            tracing::warn!(member = %text, code = 7, "refused {text}");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_tells_who_and_what() {
        let line = logged("P2");
        assert!(
            line.contains("WARN connection{name=P2}: ") && line.ends_with("refused P2 member=P2 code=7\n"),
            "{line}"
        );
    }

    #[test]
    fn what_strangers_say_is_one_harmless_line() {
        let line = logged("a\n2026-01-01 ERROR forged \u{1b}[2J\u{9b}31m \u{202e}");
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(line.trim_end().chars().all(|c| !crate::is_harmful(c)), "{line:?}");
        assert!(
            line.contains(r"a\n2026"),
            "what was said can still be seen: {line}"
        );
    }
}
