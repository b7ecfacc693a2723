//! Three members, as processes, under one command.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command as Program, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use measure::machine;

use crate::Mesh;
use crate::member::{Answer, Command};
use crate::minimal::Plant;
use crate::tally::MEMBERS;

/// What says how many threads a member's runtime has: one, if nobody says otherwise. What a member does is one thing after the other, and
/// more threads wake each other for nothing.
const THREADS: &str = "TOKIO_WORKER_THREADS";

/// How long a member may take to end by itself: it has a trace to finish.
const PATIENCE: Duration = Duration::from_secs(10);

/// Three connected members. Dropped, they are told to quit, and ended if they do not.
pub(crate) struct Fleet {
    members: Vec<Process>,
}

struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Fleet {
    /// Starts the members and waits until they are connected; with `pin`, each has a core of its own.
    ///
    /// Each listens on a free port first and says which; only then it is told where the others are.
    pub(crate) fn start(mesh: Mesh, plant: Option<Plant>, pin: bool) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for index in 0..MEMBERS {
            let mut program = Program::new(std::env::current_exe()?);
            program.args(["--member", mesh.name(), "--index", &index.to_string()]);
            if let Some(plant) = plant {
                program.args(["--plant", &format!("{plant:?}").to_lowercase()]);
            }
            if std::env::var_os(THREADS).is_none() {
                program.env(THREADS, "1");
            }
            program.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = if pin {
                pinned(index, || program.spawn())?
            } else {
                program.spawn()?
            };
            let commands = child.stdin.take().context("the member has an input")?;
            let answers = BufReader::new(child.stdout.take().context("the member has an output")?);
            members.push(Process {
                child,
                commands,
                answers,
            });
        }
        let mut fleet = Self { members };
        let addresses = fleet.addresses()?;
        for member in &mut fleet.members {
            member.command(&Command::Join(addresses.clone()))?;
        }
        fleet.expect_ready()?;
        Ok(fleet)
    }

    /// Gives each member its command, all at once, and collects what they answer.
    pub(crate) fn command(&mut self, command: impl Fn(usize) -> Command) -> anyhow::Result<Vec<Answer>> {
        for (index, member) in self.members.iter_mut().enumerate() {
            member.command(&command(index))?;
        }
        self.members.iter_mut().map(Process::answer).collect()
    }

    /// Where the members listen.
    fn addresses(&mut self) -> anyhow::Result<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        for member in &mut self.members {
            let Answer::Listening(address) = member.answer()? else {
                bail!("a member should say where it listens")
            };
            addresses.push(address);
        }
        Ok(addresses)
    }

    /// Waits for everybody's word that it is ready.
    fn expect_ready(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            let Answer::Ready = member.answer()? else {
                bail!("a member should be ready")
            };
        }
        Ok(())
    }

    /// Resident memory of each member.
    pub(crate) fn memory(&self) -> Vec<machine::Memory> {
        self.members
            .iter()
            .map(|member| machine::memory(member.child.id()).unwrap_or_default())
            .collect()
    }
}

impl Process {
    fn command(&mut self, command: &Command) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        Ok(self.commands.write_all(&line)?)
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("a member ended: {}", self.child.wait()?);
        }
        serde_json::from_str(&line).context("a member's answer is not understood")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Who does not hear it is ended below.
            let _ = member.command(&Command::Quit);
        }
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up && !self.members.iter_mut().all(Process::has_ended) {
            std::thread::sleep(Duration::from_millis(5));
        }
        for member in &mut self.members {
            // A member that has ended already is all the better.
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// Starts a process on one core: it inherits where this thread may run.
fn pinned<T>(core: usize, start: impl FnOnce() -> std::io::Result<T> + Send) -> anyhow::Result<T>
where
    T: Send,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            machine::pin(&[core]);
            start()
        });
        match thread.join() {
            Ok(started) => Ok(started?),
            Err(_) => bail!("the thread that starts a member panicked"),
        }
    })
}
