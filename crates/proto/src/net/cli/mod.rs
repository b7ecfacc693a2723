//! What the programs share on the command line: the arguments of every server, durations, addresses, [logs](log_to_stderr), and
//! how [an error reaches a person](exit_code).

mod address;
mod failure;
mod log;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches};
use lamport::trace::{Service, Tracer};
use lamport::{ProcessId, ProcessIdError};

pub use self::address::AddressArgs;
pub use self::failure::{exit_code, failure_code, hinted, misused, not_listening};
pub use self::log::log_to_stderr;
#[cfg(feature = "web")]
use super::web::{PageAddress, PublicUrl};
use super::{ConnectionSettings, ServerLimits, is_address};
use crate::limits;

/// The arguments of every server; each is an environment variable too (see [`parse`]).
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ServerArgs {
    /// Connections in total
    #[arg(long, value_name = "N", default_value_t = limits::CONNECTIONS_DEFAULT, value_parser = parse_count)]
    pub connections_max: usize,
    /// Connections from one address
    #[arg(long, value_name = "N", default_value_t = limits::CONNECTIONS_PER_ADDRESS_DEFAULT, value_parser = parse_count)]
    pub connections_per_address_max: usize,
    /// Time a new connection has to join or log in; 0 for no bound
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub handshake_timeout: Duration,
    /// Silence after which a connection is sent a ping; 0 for none
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub ping_interval: Duration,
    /// Silence after which a connection is closed; 0 for no bound
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = parse_duration)]
    pub idle_timeout: Duration,
    /// Time a connection may leave what is sent to it unread; 0 for no bound
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = parse_duration)]
    pub slow_timeout: Duration,
    /// Time connections have to finish at a shutdown
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub grace: Duration,
}

/// The arguments of every program.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Observation")]
pub struct ObserveArgs {
    /// What is logged on stderr: error, warn, info, debug, trace, or a filter such as `info,chat=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: String,
    /// What is recorded.
    #[command(flatten)]
    pub trace: TraceArgs,
}

/// The argument of every program that can record what happens to it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Observation")]
pub struct TraceArgs {
    /// Record every send, receive and local event in this file, one event a line
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// The arguments of every server that has a page.
#[cfg(feature = "web")]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Page")]
pub struct PageArgs {
    /// Serve a live page, /metrics and /healthz over HTTP at this address; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    http: Option<String>,
    /// Where a proxy in front shows the page.
    #[arg(
        long,
        value_name = "URL",
        requires = "http",
        help = "Where a proxy in front shows the page, such as https://chat.example.org; it passes Host on, and X-Forwarded-For"
    )]
    http_url: Option<PublicUrl>,
}

#[cfg(feature = "web")]
impl PageArgs {
    /// Where the page is to be found, if there is to be one.
    #[must_use]
    pub fn address(&self) -> Option<PageAddress> {
        Some(PageAddress {
            listen: self.http.clone()?,
            url: self.http_url.clone(),
        })
    }
}

impl TraceArgs {
    /// The tracer of that process, off if nobody wants a trace.
    ///
    /// # Errors
    ///
    /// If the process cannot be named so, or the file cannot be made; with a hint.
    pub fn tracer(
        &self,
        service: Service,
        process: impl FnOnce() -> Result<ProcessId, ProcessIdError>,
    ) -> anyhow::Result<Tracer> {
        let Some(file) = &self.trace else {
            return Ok(Tracer::off());
        };
        Tracer::to_file(file, process()?, service)
            .with_context(|| format!("failed to record a trace in {}", file.display()))
            .map_err(|error| hinted(error, "give a file this user may write to with --trace"))
    }
}

impl ServerArgs {
    /// The bounds that these arguments set.
    #[must_use]
    pub fn limits(&self) -> ServerLimits {
        let bound = |duration: Duration| Some(duration).filter(|duration| !duration.is_zero());
        ServerLimits {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            grace: self.grace,
            connection: ConnectionSettings {
                handshake: bound(self.handshake_timeout),
                ping_interval: bound(self.ping_interval),
                idle: bound(self.idle_timeout),
                write_stall: bound(self.slow_timeout),
                ..ConnectionSettings::default()
            },
        }
    }
}

/// Tells where a server listens: the first line on stdout is the address and nothing else, so that a program that
/// asked for port 0 can read it; the log says it for people.
///
/// # Errors
///
/// When nobody reads stdout.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{address}")?;
    stdout.flush()?;
    tracing::info!(%address, "listening");
    Ok(())
}

/// Reads `500ms`, `30s`, `5m`; a bare 0 is no time at all.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "not a time such as 500ms, 30s or 5m".to_owned())?;
    Duration::try_from(span).map_err(|_| "a time cannot be negative".to_owned())
}

/// Takes `HOST:PORT`; whether the host is there, only the system knows.
///
/// # Errors
///
/// What an address looks like.
pub fn parse_address(text: &str) -> Result<String, String> {
    if is_address(text) {
        Ok(text.to_owned())
    } else {
        Err("not HOST:PORT, such as 127.0.0.1:5000".to_owned())
    }
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("with 0 nobody could connect".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a number such as 100".to_owned()),
    }
}

/// Parses the command line. Every long flag is also an environment variable: `--connections-max` of a program with
/// the prefix `CHAT` is `CHAT_CONNECTIONS_MAX`, and `CHAT_MEMORY=1` is `--memory`. Ends the process after `--help`, `--version` or a mistake.
#[must_use]
pub fn parse<T: CommandFactory + FromArgMatches>(prefix: &str) -> T {
    parse_from(prefix, std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// [`parse`] for given words.
///
/// # Errors
///
/// What clap has to say, `--help` included.
pub fn parse_from<T: CommandFactory + FromArgMatches>(
    prefix: &str,
    words: impl IntoIterator<Item = OsString>,
) -> Result<T, clap::Error> {
    let matches = with_environment(T::command(), prefix).try_get_matches_from(words)?;
    T::from_arg_matches(&matches)
}

fn with_environment(command: clap::Command, prefix: &str) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    let command = names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| with_environment(sub, prefix))
    });
    command.mut_args(|arg| {
        let Some(long) = arg.get_long() else { return arg };
        let variable = format!("{prefix}_{}", long.replace('-', "_").to_uppercase());
        match arg.get_action() {
            action if action.takes_values() => arg.env(variable),
            // Set to anything but nothing, 0, false, no and off.
            ArgAction::SetTrue => arg.env(variable).value_parser(FalseyValueParser::new()),
            _ => arg,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        observe: ObserveArgs,
        #[arg(long)]
        memory: bool,
    }

    fn parse_words(words: &[&str]) -> Result<Program, clap::Error> {
        parse_from("PROTO_CLI_TEST", words.iter().map(OsString::from))
    }

    #[test]
    fn defaults_are_the_named_limits() {
        let program = parse_words(&["program"]).unwrap();
        assert_eq!(program.server.limits(), ServerLimits::default());
        assert!(
            !program
                .observe
                .trace
                .tracer(Service::Other, || ProcessId::new("P1"))
                .unwrap()
                .is_on()
        );
    }

    #[test]
    fn zero_lifts_a_bound_and_nonsense_is_refused() {
        let program = parse_words(&["program", "--idle-timeout", "0", "--grace", "500ms"]).unwrap();
        assert_eq!(program.server.limits().connection.idle, None);
        assert_eq!(program.server.grace, Duration::from_millis(500));
        assert!(parse_words(&["program", "--connections-max", "0"]).is_err());
        for nonsense in ["soon", "-3s", "30"] {
            assert!(
                parse_words(&["program", "--grace", nonsense]).is_err(),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn every_flag_names_its_environment_variable() {
        let help = with_environment(Program::command(), "CHAT")
            .render_long_help()
            .to_string();
        assert!(help.contains("CHAT_CONNECTIONS_PER_ADDRESS_MAX"), "{help}");
        assert!(help.contains("CHAT_MEMORY"), "{help}");
        assert!(!help.contains("CHAT_HELP"), "{help}");
        assert!(parse_words(&["program", "--memory"]).unwrap().memory);
        assert!(!parse_words(&["program"]).unwrap().memory);
    }
}
