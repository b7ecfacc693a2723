//! The servers under load: the real bank and the limits, each a process of its own on the servers' cores.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;
use measure::ServerProcess;
use measure::machine::Cores;

use crate::limits::Limit;

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

/// Starts a server on its cores, with its data in that directory, and waits for its address.
pub(crate) fn start(kind: &Kind, data: &Path, cores: &Cores) -> anyhow::Result<ServerProcess> {
    ServerProcess::start(kind.command(data)?, cores, START_MAX)
}

/// Asks the bank to end, and waits for its clean end.
pub(crate) fn stop(mut bank: ServerProcess) -> anyhow::Result<()> {
    match bank.terminate(STOP_MAX)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("the bank ended with {status}; its log ends:\n{}", bank.log_tail()),
        None => bail!("the bank did not end within {} s of SIGTERM", STOP_MAX.as_secs()),
    }
}
