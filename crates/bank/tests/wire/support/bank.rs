//! The real bank: its process, its data, and what can be done to it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::line::{PIN, money};

/// How long a bank may take to print its address.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a bank may take to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(5);

/// The smallest segments there are: less to be zeroed at every start, and more changes from one to the next.
const SEGMENT_BYTES: &str = "1";

/// A bank under test.
pub(crate) trait Subject {
    /// Where it listens, shared with whoever loads it; a restart may change it.
    fn address(&self) -> Address;
    /// Ends it without warning, and starts it again on what it left behind.
    fn crash(&mut self);
    /// Asks it to end, waits, and starts it again. What was wrong with its end, if anything was.
    fn stop(&mut self) -> Result<(), String>;
}

/// An address that changes with every restart.
#[derive(Debug, Clone)]
pub(crate) struct Address(Arc<Mutex<SocketAddr>>);

impl Address {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(address)))
    }

    pub(crate) fn get(&self) -> SocketAddr {
        *self.0.lock().unwrap()
    }

    fn set(&self, address: SocketAddr) {
        *self.0.lock().unwrap() = address;
    }
}

/// Accounts for a bank to begin with: their RGs, each holding `cents`.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) accounts: Vec<String>,
    pub(crate) cents: i64,
}

impl Opening {
    /// Accounts `0000000001`, `0000000002`, …
    pub(crate) fn new(accounts: usize, cents: i64) -> Self {
        Self {
            accounts: (1..=accounts).map(|number| format!("{number:010}")).collect(),
            cents,
        }
    }

    /// What all hold together.
    pub(crate) fn total(&self) -> i64 {
        self.accounts.len() as i64 * self.cents
    }

    fn document(&self) -> String {
        let accounts: Vec<_> = self
            .accounts
            .iter()
            .map(|rg| {
                let saldo = money(self.cents);
                format!(r#"{{"rg":"{rg}","nome":"Holder of {rg}","saldo":"{saldo}","pin":"{PIN}"}}"#)
            })
            .collect();
        format!("[{}]", accounts.join(","))
    }
}

/// The real program with a data directory of its own. Dropping it kills it.
pub(crate) struct RealBank {
    flags: Vec<String>,
    place: TempDir,
    child: Child,
    address: Address,
    starts: usize,
}

impl RealBank {
    /// Starts a bank whose PINs cost nothing and whose limits on wrong ones are lifted.
    pub(crate) fn start(opening: &Opening) -> Self {
        Self::with_flags(
            Some(opening),
            &["--pin-cost", "least", "--wrong-pins-per-address", "0"],
        )
    }

    /// Starts a bank with these flags, and with the ten example accounts unless there is an opening.
    pub(crate) fn with_flags(opening: Option<&Opening>, flags: &[&str]) -> Self {
        let place = tempfile::Builder::new().prefix("bank-wire-").tempdir().unwrap();
        let mut flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        if let Some(opening) = opening {
            let accounts = place.path().join("accounts.json");
            fs::write(&accounts, opening.document()).unwrap();
            flags.extend(["--accounts".to_owned(), accounts.display().to_string()]);
        }
        let (child, address) = spawn(&place, &flags, 0);
        Self {
            flags,
            place,
            child,
            address: Address::new(address),
            starts: 1,
        }
    }

    /// The file that holds what its latest start has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path().join(format!("log-{}", self.starts - 1))).unwrap()
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// Its process, while it runs.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without warning, does something to its data, and starts it again.
    pub(crate) fn crash_and(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        meanwhile(&self.data());
        self.restart();
    }

    fn restart(&mut self) {
        let (child, address) = spawn(&self.place, &self.flags, self.starts);
        self.starts += 1;
        self.child = child;
        self.address.set(address);
    }

    /// SIGTERM, and how it ended; nothing if it had to be killed.
    pub(crate) fn terminate(&mut self) -> (Option<ExitStatus>, Duration) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let asked = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if asked.elapsed() > 2 * STOP_MAX {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        (status, asked.elapsed())
    }
}

impl Subject for RealBank {
    fn address(&self) -> Address {
        self.address.clone()
    }

    fn crash(&mut self) {
        self.crash_and(|_| ());
    }

    fn stop(&mut self) -> Result<(), String> {
        let (status, took) = self.terminate();
        let log = self.log();
        self.restart();
        match status {
            Some(status) if status.success() && took <= STOP_MAX => Ok(()),
            Some(status) => Err(format!("ended with {status} after {took:?}; its log:\n{log}")),
            None => Err(format!("did not end within {took:?}; its log:\n{log}")),
        }
    }
}

impl Drop for RealBank {
    fn drop(&mut self) {
        // Looked at while it lives: a bank that does not answer may be waiting for its disk.
        let threads = std::thread::panicking().then(|| threads(self.child.id()));
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(threads) = threads {
            println!("the bank's threads:\n{threads}\nthe bank's log:\n{}", self.log());
        }
    }
}

/// What each thread of a process is called, its state, and where in the kernel it waits.
fn threads(process: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    let lines = tasks.flatten().map(|task| {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let stat = read("stat");
        let state = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_ascii_whitespace().next());
        format!(
            "{} {} {}",
            read("comm").trim(),
            state.unwrap_or("?"),
            read("wchan")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn spawn(place: &TempDir, flags: &[String], start: usize) -> (Child, SocketAddr) {
    let log_path = place.path().join(format!("log-{start}"));
    let log = File::create(&log_path).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bank"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--segment-bytes",
            SEGMENT_BYTES,
            "--data",
        ])
        .arg(place.path().join("data"))
        .args(flags)
        .env("BANK_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let (sender, first_line) = mpsc::channel();
    // Reads on, so that the bank never meets a closed pipe.
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        let _ = sender.send(lines.next());
        lines.for_each(drop);
    });
    let line = first_line.recv_timeout(START_MAX);
    let address = match &line {
        Ok(Some(Ok(line))) => line
            .split_ascii_whitespace()
            .rev()
            .find_map(|word| word.parse().ok()),
        _ => None,
    };
    match address {
        Some(address) => (child, address),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "no address but {line:?}; its log:\n{}",
                fs::read_to_string(&log_path).unwrap()
            );
        }
    }
}
