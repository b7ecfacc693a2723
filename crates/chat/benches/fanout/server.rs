//! The servers under load, each a fresh process for every run: the real `chat` binary and the physical limit.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::bail;
use measure::ServerProcess;
use measure::machine::{self, Cores};

use crate::limit::Plant;
use crate::line::Dialect;

/// How long a server may take to print its address.
const START_MAX: Duration = Duration::from_secs(10);
/// How long a server may take to end after SIGTERM, its stored history included.
const STOP_MAX: Duration = Duration::from_secs(20);
/// More connections than any row opens.
const CONNECTIONS_MAX: &str = "20000";

/// Which server to start, and with what.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The chat server; `memory` leaves its history out.
    Chat { program: PathBuf, memory: bool },
    /// The physical limit, carrying lines as long as the chat server's, or bare texts.
    Limit { bare: bool, plant: Option<Plant> },
    /// Redis publish and subscribe, told not to store anything nor to put out slow subscribers.
    Redis { port: u16 },
}

impl Kind {
    /// What the table calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Chat { memory: false, .. } => "chat",
            Self::Chat { memory: true, .. } => "chat --memory",
            Self::Limit { bare: false, .. } => "limit",
            Self::Limit { bare: true, .. } => "limit, bare texts",
            Self::Redis { .. } => "Redis",
        }
    }

    /// What its senders send.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Chat { .. } => Dialect::Say,
            Self::Limit { bare: false, .. } => Dialect::Said,
            Self::Limit { bare: true, .. } => Dialect::Bare,
            Self::Redis { .. } => Dialect::Publish,
        }
    }

    fn command(&self, data: &Path) -> std::io::Result<Command> {
        Ok(match self {
            Self::Chat { program, memory } => {
                let mut command = Command::new(program);
                command.args(["--listen", "127.0.0.1:0", "--connections-max", CONNECTIONS_MAX]);
                command.args(CHAT_LIFTED);
                if *memory {
                    command.arg("--memory");
                } else {
                    command.arg("--data").arg(data);
                }
                command
            }
            Self::Limit { plant, .. } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("--limit-server");
                if let Some(plant) = plant {
                    command.arg("--plant").arg(format!("{plant:?}").to_lowercase());
                }
                command
            }
            Self::Redis { port } => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
                command.args([
                    "--protected-mode",
                    "no",
                    "--appendonly",
                    "no",
                    "--maxclients",
                    CONNECTIONS_MAX,
                ]);
                command
                    .args(["--client-output-buffer-limit", "pubsub 0 0 0", "--dir"])
                    .arg(data);
                command
            }
        })
    }

    /// The address, as far as it is known before the server says so.
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Redis { port } => Some(([127, 0, 0, 1], *port).into()),
            Self::Chat { .. } | Self::Limit { .. } => None,
        }
    }
}

/// A Redis on a port that is free now, if there is one to be started.
pub(crate) fn redis() -> Option<Kind> {
    let version = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|free| free.local_addr())
        .ok()?
        .port();
    version
        .is_ok_and(|status| status.success())
        .then_some(Kind::Redis { port })
}

/// The chat server's protections that a load from one address must not meet.
const CHAT_LIFTED: [&str; 4] = [
    "--connections-per-address-max",
    CONNECTIONS_MAX,
    "--flood-rate",
    "0",
];

/// A running server, in a directory of its own. Dropping it ends it at once.
pub(crate) struct Server {
    pub(crate) process: ServerProcess,
    /// Held so that the directory goes when the server does.
    _data: tempfile::TempDir,
}

/// What a server left behind.
pub(crate) struct Stopped {
    /// CPU seconds of its whole life, until its clean end.
    pub(crate) cpu_seconds: Option<f64>,
    /// What was wrong with its end, if anything was.
    pub(crate) complaint: Option<String>,
}

impl Server {
    /// Starts a server on its cores and waits for its address.
    pub(crate) fn start(kind: &Kind, cores: &Cores) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("chat-bench-").tempdir()?;
        let command = kind.command(data.path())?;
        let process = match kind.address() {
            Some(address) => ServerProcess::start_at(address, command, cores, START_MAX)?,
            None => ServerProcess::start(command, cores, START_MAX)?,
        };
        Ok(Self { process, _data: data })
    }

    /// Asks the server to end (SIGTERM), waits, and tells what its whole life cost: also what it still had to store.
    pub(crate) fn stop(mut self, kind: &Kind) -> anyhow::Result<Stopped> {
        let before = machine::ended_children_cpu();
        if let Some(status) = self.process.has_ended()? {
            bail!(
                "{} ended before it was told to ({status}); its log ends:\n{}",
                kind.name(),
                self.process.log_tail()
            );
        }
        let status = self.process.terminate(STOP_MAX)?;
        let complaint = match (kind, status) {
            (_, None) => Some(format!("did not end within {} s of SIGTERM", STOP_MAX.as_secs())),
            (Kind::Chat { .. }, Some(status)) if !status.success() => Some(format!("ended with {status}")),
            _ => None,
        };
        let cpu_seconds = before
            .zip(machine::ended_children_cpu())
            .map(|(before, after)| after - before);
        Ok(Stopped {
            cpu_seconds,
            complaint,
        })
    }
}
