//! The chat client: `cargo run -p chat --bin chat-client`.
//!
//! At a terminal it is for a person, otherwise a filter for programs.

mod filter;
mod terminal;
mod wrapping;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use chat::client::{JoinError, Recorder, Settings};
use clap::Parser;
use lamport::trace::Service;
use lamport::{ProcessId, ProcessIdError};
use proto::net::cli::{AddressArgs, TraceArgs, exit_code, hinted, log_to_stderr, misused, parse};
use proto::net::{ConnectError, Dialer};

/// Chat at the terminal, or as a filter: one line in, one line out
#[derive(Debug, Parser)]
#[command(
    name = "chat-client",
    version,
    mut_arg("server", |server| server.default_value("127.0.0.1:50000")),
    after_help = "Every long flag is an environment variable too: --name is CHAT_CLIENT_NAME.\n\
                  With stdin or stdout not a terminal, each line of stdin is said and each event is a line on stdout; the end of \
                  stdin leaves once everything said is acknowledged.\n\
                  To listen only: tail -f /dev/null | chat-client --name NAME"
)]
struct Args {
    #[command(flatten)]
    address: AddressArgs,
    /// Your name; a terminal is asked for it otherwise
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The room to enter first
    #[arg(long, value_name = "ROOM", default_value = "lobby")]
    room: String,
    /// The password of a protected name; a terminal is asked for it otherwise. Better given in the environment
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Print the events as they came: one JSON object a line
    #[arg(long)]
    json: bool,
    /// What is logged on stderr: error, warn, info, debug, trace, or a filter such as `info,chat=debug`
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "error",
        help_heading = "Observation"
    )]
    log: String,
    #[command(flatten)]
    trace: TraceArgs,
}

fn main() -> ExitCode {
    let args: Args = parse("CHAT_CLIENT");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    exit_code(runtime.map_err(Into::into).and_then(|runtime| {
        let result = runtime.block_on(run(args));
        // Nobody waits for the thread that reads: it ends with the process.
        runtime.shutdown_background();
        result
    }))
}

async fn run(args: Args) -> anyhow::Result<()> {
    log_to_stderr(&args.log)?;
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !args.json;
    let tracer = args.trace.tracer(Service::Chat, || process(&args))?;
    let mut settings = Settings::new(
        Dialer::Tcp(args.address.get().expect("the server has a default").to_owned()),
        args.name.as_deref().unwrap_or_default(),
        &args.room,
    );
    settings.password = args.password;
    if tracer.is_on() {
        settings = settings.recorded(Recorder::new(tracer.clone()));
    }
    let result = match (is_terminal, args.name.is_some()) {
        (true, has_name) => terminal::run(settings, has_name).await,
        (false, true) => filter::run(settings, args.json).await,
        (false, false) => Err(misused(
            anyhow::anyhow!("nobody can be asked for a name here"),
            "give one with --name NAME",
        )),
    };
    let closed = tracer
        .close()
        .map_err(|error| hinted(error, "look after the disk of the trace's file"));
    result.and(closed.map(drop))
}

/// Who this is in a trace: by name, if a process can have that name.
fn process(args: &Args) -> Result<ProcessId, ProcessIdError> {
    let name = args.name.as_deref().unwrap_or("client");
    ProcessId::new(name).or_else(|_| ProcessId::new(&format!("client-{}", std::process::id())))
}

/// Why there is no chat, with what can be done about it.
fn explain(error: JoinError, address: &str) -> anyhow::Error {
    let hint = match &error {
        JoinError::Refused(told) => told
            .hint
            .clone()
            .unwrap_or_else(|| "try another name or room".to_owned()),
        JoinError::Connect(ConnectError::WrongServer { .. }) => {
            "give the address of a chat server".to_owned()
        }
        JoinError::Connect(_) => format!("is a server running at {address}? `cargo run -p chat` starts one"),
        JoinError::Lost => "try again; the server's log may say more".to_owned(),
    };
    hinted(
        anyhow::anyhow!("{}", proto::Harmless(&error.to_string())),
        proto::Harmless(&hint).to_string(),
    )
}
