//! A server under load, a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::machine::{self, Cores, Memory};

/// Between two looks whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running server. Dropping it ends it at once.
#[derive(Debug)]
pub struct ServerProcess {
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its address.
    pub started_in: Duration,
    child: Child,
    log: File,
}

impl ServerProcess {
    /// Starts a server on its cores, and waits until it prints a line that ends with its address.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or has said nothing of the kind `within` that time.
    pub fn start(command: Command, cores: &Cores, within: Duration) -> anyhow::Result<Self> {
        Self::spawn(command, cores, |first_line| {
            let line = first_line.recv_timeout(within).ok()?;
            line.split_ascii_whitespace()
                .rev()
                .find_map(|word| word.parse().ok())
        })
    }

    /// Starts a server on its cores whose address is known, and waits until it listens there.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or does not listen `within` that time.
    pub fn start_at(
        address: SocketAddr,
        command: Command,
        cores: &Cores,
        within: Duration,
    ) -> anyhow::Result<Self> {
        Self::spawn(command, cores, |_| {
            let began = Instant::now();
            while began.elapsed() < within {
                if TcpStream::connect(address).is_ok() {
                    return Some(address);
                }
                std::thread::sleep(LOOK_EVERY);
            }
            None
        })
    }

    fn spawn(
        mut command: Command,
        cores: &Cores,
        address: impl FnOnce(mpsc::Receiver<String>) -> Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let log = tempfile::tempfile()?;
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
            if let Some(Ok(line)) = lines.next() {
                let _ = sender.send(line);
            }
            drop(sender);
            lines.for_each(drop);
        });
        let mut server = Self {
            address: ([0, 0, 0, 0], 0).into(),
            started_in: Duration::ZERO,
            child,
            log,
        };
        let address = address(first_line);
        server.started_in = began.elapsed();
        server.address = address.with_context(|| {
            format!(
                "failed to get an address from {command:?}; its log ends:\n{}",
                server.log_tail()
            )
        })?;
        Ok(server)
    }

    /// CPU seconds that it has used.
    #[must_use]
    pub fn cpu(&self) -> Option<f64> {
        machine::process_cpu(self.child.id())
    }

    /// Its resident memory.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        machine::memory(self.child.id())
    }

    /// The last lines of its stderr.
    pub fn log_tail(&mut self) -> String {
        let mut text = Vec::new();
        let length = self.log.metadata().map_or(0, |meta| meta.len());
        let _ = self.log.seek(SeekFrom::Start(length.saturating_sub(2000)));
        let _ = self.log.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn has_ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to end (SIGTERM) and waits. Says how it ended; nothing if it had to be killed after `within` that time.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn terminate(&mut self, within: Duration) -> std::io::Result<Option<ExitStatus>> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < within {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(None)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Already ended: nothing to do. Otherwise a run failed, and its server must not outlive it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
