//! The bank's ATM for people, and its commands for scripts: `cargo run -p bank --bin bank-client`.
//!
//! Without a command it is the machine's menu (`menu`); with one it does one thing and ends (`commands`). Results
//! go to stdout, talk to stderr; with `--json` the result, or the error, is one line of JSON on stdout.

mod args;
mod commands;
mod console;
mod hints;
mod menu;
mod show;

use std::process::ExitCode;
use std::sync::Arc;

use bank::client::{Notice, OperationError, Recorder, Session};
use lamport::ProcessId;
use lamport::trace::{Service, Tracer};
use proto::Harmless;
use proto::net::cli::{exit_code, failure_code, hinted, log_to_stderr, parse};
use proto::net::{ClientSettings, ConnectError, Dialer};

use args::Args;
use console::{Console, Terminal};

/// Exit codes, beside 0 for success and 2 for wrong usage, with which every program ends.
mod exit {
    /// Refused by the bank, or something failed; nothing was done.
    pub(super) const REFUSED: u8 = 1;
    /// The login was refused.
    pub(super) const LOGIN_REFUSED: u8 = 3;
    /// The bank could not be reached; nothing was done.
    pub(super) const UNREACHABLE: u8 = 4;
    /// Nobody knows whether it was done; the hint tells how to find out.
    pub(super) const UNKNOWN: u8 = 5;
    /// It was done, but what came of it could not be read or written.
    pub(super) const UNTOLD: u8 = 6;
}

fn main() -> ExitCode {
    let args: Args = parse("BANK_CLIENT");
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit_code(Err(error.into())),
    };
    if let Err(error) = log_to_stderr(&args.observe.log) {
        return exit_code(Err(error));
    }
    match runtime.block_on(run_with(&args, &mut Terminal::new())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, error }) => {
            let _ = exit_code(Err(error));
            ExitCode::from(code)
        }
    }
}

/// Runs the program at any terminal.
async fn run_with(args: &Args, console: &mut impl Console) -> Result<(), Failure> {
    let process = || ProcessId::new(&format!("bank-client-{}", std::process::id()));
    let tracer = args.observe.trace.tracer(Service::Bank, process)?;
    let mut session = session(args, &tracer);
    let result = match &args.command {
        None => menu::serve(args, &mut session, console).await,
        Some(command) => commands::run(args, command, &mut session, console).await,
    };
    session.leave().await;
    drop(session);
    match (result, tracer.close()) {
        (result, Ok(_)) => result,
        (Ok(()), Err(error)) => Err(Failure::untold(error.into())),
        (Err(failure), Err(error)) => {
            let _ = exit_code(Err(error.into()));
            Err(failure)
        }
    }
}

fn session(args: &Args, tracer: &Tracer) -> Session {
    let mut settings = ClientSettings::new("bank");
    let show_clock = args.clock;
    if tracer.is_on() || show_clock {
        settings.observer = Some(Arc::new(Recorder::new(tracer.clone(), move |line| {
            if show_clock {
                anstream::eprintln!("{}", Harmless(&line.to_string()));
            }
        })));
    }
    let mut session = Session::new(Dialer::Tcp(args.address().to_owned()), settings);
    session.set_patience(args.patience());
    let mut told = None;
    session.on_notice(move |notice| {
        // The same trouble is told once, not at each attempt.
        let text = notice_text(notice);
        if told.as_ref() != Some(&text) {
            anstream::eprintln!("{}", Harmless(&text));
            told = Some(text);
        }
    });
    session
}

fn notice_text(notice: &Notice) -> String {
    match notice {
        Notice::NotConnected(error @ ConnectError::WrongServer { .. }) => error.to_string(),
        Notice::NotConnected(error) => format!("{error}; trying again"),
        Notice::Lost => {
            "the connection to the bank was lost; asking again, what was done is not done twice".to_owned()
        }
        Notice::Later(told) => format!("{told}; trying again"),
    }
}

/// Why the program ends, and with which code.
#[derive(Debug)]
struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// It was done, and this came in the way of telling so.
    fn untold(error: anyhow::Error) -> Self {
        let code = exit::UNTOLD;
        Self { code, error }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            code: failure_code(&error),
            error,
        }
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let code = match error {
            OperationError::LoginRefused(_) | OperationError::NotLoggedIn => exit::LOGIN_REFUSED,
            OperationError::NothingDone { .. } => exit::UNREACHABLE,
            OperationError::OutcomeUnknown { .. } => exit::UNKNOWN,
            OperationError::NotUnderstood(_) => exit::UNTOLD,
            OperationError::Refused(_) => exit::REFUSED,
        };
        // What the bank says may hold anything; what is printed may not.
        let message = Harmless(&error.to_string()).to_string();
        let hint = hints::hint(&error).map(|hint| Harmless(&hint).to_string());
        let error = match hint {
            Some(hint) => hinted(anyhow::Error::msg(message), hint),
            None => anyhow::Error::msg(message),
        };
        Self { code, error }
    }
}
