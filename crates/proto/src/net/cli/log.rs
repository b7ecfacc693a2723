//! The log of a program: lines on stderr, one for each event, that do nothing to a terminal.
//!
//! What is logged may repeat what a stranger sent. So every text is shown [harmlessly](Harmless), newlines included: nobody
//! writes lines into our log, or colours, or text that runs backwards.

use std::fmt::{self, Debug};
use std::io::{self, IsTerminal as _};

use anstyle::Style;
use jiff::Zoned;
use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::failure::misused;
use crate::Harmless;

/// Who reads the log.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// Somebody at a terminal, where every column counts.
    Person { colours: bool },
    /// A file, or who collects the logs of many programs.
    Program,
}

/// Sends logs to stderr: short lines with colours where a person reads them, without colours where `NO_COLOR` is set, and whole lines
/// where a program reads them.
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
    let reader = match io::stderr().is_terminal() {
        true => Reader::Person {
            colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        },
        false => Reader::Program,
    };
    lines(filter, reader, io::stderr).init();
    Ok(())
}

fn lines<W>(filter: EnvFilter, reader: Reader, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(to)
        .with_ansi(matches!(reader, Reader::Person { colours: true }))
        .with_target(matches!(reader, Reader::Program))
        .with_timer(reader)
        .fmt_fields(debug_fn(write_field).delimited(" "))
        .finish()
}

impl FormatTime for Reader {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        match self {
            Self::Person { .. } => write!(to, "{}", Zoned::now().strftime("%H:%M:%S")),
            Self::Program => SystemTime.format_time(to),
        }
    }
}

fn write_field(to: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
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

    /// What is logged for a program of an event, a field and a span that repeat `text`.
    fn logged(text: &str) -> String {
        logged_for(Reader::Program, text)
    }

    fn logged_for(reader: Reader, text: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = lines(EnvFilter::new("info"), reader, move || writer.clone());
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
    fn at_a_terminal_a_line_begins_with_the_time_of_day_and_names_no_module() {
        let line = logged_for(Reader::Person { colours: false }, "P2");
        let (time, rest) = line.split_at(8);
        assert_eq!(time.matches(|c: char| c.is_ascii_digit()).count(), 6, "{line}");
        assert_eq!(rest, "  WARN connection{name=P2}: refused P2 member=P2 code=7\n");
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
