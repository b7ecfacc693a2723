//! The servers under load: the real bank and the limits, each a process of its own on the servers' cores.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::limits::Limit;
use crate::machine::{self, Cores, Memory};

/// How long a server may take to print its address: a start-up is measured, too.
const START_MAX: Duration = Duration::from_secs(100);
/// How long a server may take to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(60);

/// Which server to start.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Bank(PathBuf),
    Limit(Limit),
}

/// A running server. Dropping it ends it at once.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start to its first line.
    pub(crate) started_in: Duration,
    log: File,
}

impl Kind {
    fn command(&self, data: &Path) -> std::io::Result<Command> {
        let mut command;
        match self {
            Self::Bank(program) => {
                command = Command::new(program);
                command
                    .args(["--listen", "127.0.0.1:0", "--log", "warn", "--data"])
                    .arg(data);
            }
            Self::Limit(limit) => {
                command = Command::new(std::env::current_exe()?);
                command
                    .args(["--be", &format!("{limit:?}").to_lowercase(), "--journal"])
                    .arg(data);
            }
        }
        Ok(command)
    }
}

impl Server {
    /// Starts a server on its cores, with its data in that directory, and waits for its address.
    pub(crate) fn start(kind: &Kind, data: &Path, cores: &Cores) -> anyhow::Result<Self> {
        let log = tempfile::tempfile()?;
        let mut command = kind.command(data)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?);
        // A child inherits the cores of the thread that starts it, so its runtime already counts the right ones.
        machine::pin(&cores.server);
        let began = Instant::now();
        let spawned = command.spawn();
        machine::pin(&cores.generator);
        let mut child = spawned.with_context(|| format!("failed to start {command:?}"))?;
        let stdout = child.stdout.take().context("stdout was asked for as a pipe")?;
        let (sender, first_line) = mpsc::channel();
        // Reads on, so that the server never meets a closed or full pipe.
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = sender.send(lines.next());
            lines.for_each(drop);
        });
        let mut server = Self {
            child,
            address: ([0, 0, 0, 0], 0).into(),
            started_in: Duration::ZERO,
            log,
        };
        let line = first_line.recv_timeout(START_MAX);
        server.started_in = began.elapsed();
        let address = match line {
            Ok(Some(Ok(line))) => line
                .split_ascii_whitespace()
                .rev()
                .find_map(|word| word.parse().ok()),
            _ => None,
        };
        server.address = address.with_context(|| {
            format!(
                "failed to get an address from {command:?}; its log ends:\n{}",
                server.log_tail()
            )
        })?;
        Ok(server)
    }

    pub(crate) fn cpu(&self) -> Option<f64> {
        machine::process_cpu(self.child.id())
    }

    pub(crate) fn memory(&self) -> Option<Memory> {
        machine::memory(self.child.id())
    }

    /// The last lines of its stderr.
    pub(crate) fn log_tail(&mut self) -> String {
        let mut text = Vec::new();
        let length = self.log.metadata().map_or(0, |meta| meta.len());
        let _ = self.log.seek(SeekFrom::Start(length.saturating_sub(2000)));
        let _ = self.log.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Asks the bank to end, and waits for its clean end.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the bank ended with {status}; its log ends:\n{}", self.log_tail()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        bail!("the bank did not end within {} s of SIGTERM", STOP_MAX.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended: nothing to do. Otherwise it must not outlive the measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
