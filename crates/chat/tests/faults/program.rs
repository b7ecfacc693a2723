//! The server as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proto::net::Stream;
use rustix::process::{Pid, Signal, kill_process};

use super::stage::{Reachable, connect};

/// How long the program may take to notice something. Never reached when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server of its own process. Dropping it ends it at once.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

/// The server's command line, at a free port.
pub(crate) fn chat(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.args(["--listen", "127.0.0.1:0"]).args(flags);
    command
}

impl Reachable for Program {
    async fn stream(&self) -> Stream {
        Stream::Tcp(connect(self.address).await)
    }
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whatever goes wrong from here on, the child ends with this.
        let mut program = Self {
            child,
            address: ([0, 0, 0, 0], 0).into(),
        };
        let mut first = String::new();
        BufReader::new(program.child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        program.address = first
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("the first line is no address: {first:?}"));
        program
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What it says on stderr until it is gone, and its exit code.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut talk = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut talk)
            .unwrap();
        (self.child.wait().unwrap().code(), talk)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
