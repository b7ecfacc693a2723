//! A server with a page, run as people run it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::own_address;

/// Asks for any free port.
const ANY_ADDRESS: &str = "127.0.0.1:0";

/// How long a server may take to say where its page is.
const START_MAX: Duration = Duration::from_secs(30);

/// How long a server may take to end in order.
const STOP_MAX: Duration = Duration::from_secs(10);

/// A server process with a page. Dropping it kills it; after a panic its log is printed first.
#[derive(Debug)]
pub struct Service {
    program: String,
    arguments: Vec<String>,
    child: Child,
    address: String,
    page: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Runs `program` with these arguments and `--http`. A `127.0.0.1:0` among them is replaced by [an address](own_address) that
    /// stays the service's while it is away.
    ///
    /// # Panics
    ///
    /// If it does not say where it listens and where its page is.
    #[must_use]
    #[track_caller]
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().chain(&["--http", ANY_ADDRESS]);
        let arguments = arguments.map(|&word| match word {
            ANY_ADDRESS => own_address(),
            word => word.to_owned(),
        });
        Self::run(program.to_owned(), arguments.collect())
    }

    /// The first line of its stdout: where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of its page: `http://127.0.0.1:40123/`.
    #[must_use]
    pub fn page(&self) -> &str {
        &self.page
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// `kill -9`.
    #[track_caller]
    pub fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and its end in order.
    #[track_caller]
    pub fn stop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("SIGTERM");
        let until = Instant::now() + STOP_MAX;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a process of ours") {
                break status;
            }
            assert!(Instant::now() < until, "{} does not end", self.program);
            sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{} ended with {status}", self.program);
    }

    /// Stops it where it is: what is sent to it from now on waits in the kernel.
    #[track_caller]
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).expect("SIGSTOP");
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), at the same addresses.
    #[track_caller]
    pub fn start_again(&mut self) {
        *self = Self::run(self.program.clone(), self.arguments.clone());
    }

    #[track_caller]
    fn run(program: String, arguments: Vec<String>) -> Self {
        let mut child = Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sends_page, page) = mpsc::channel();
        let (sends_first, first) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let keeps = Arc::clone(&log);
        // Both read to the end, so that the server never meets a closed pipe.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, page)) = line.split_once("page=") {
                    let _ = sends_page.send(page.trim().to_owned());
                }
                keeps.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sends_first.send(line);
            }
        });
        let started = first
            .recv_timeout(START_MAX)
            .ok()
            .zip(page.recv_timeout(START_MAX).ok());
        let mut service = Self {
            program,
            arguments,
            child,
            address: String::new(),
            page: String::new(),
            log,
        };
        let Some((address, page)) = started else {
            panic!("{} does not serve a page", service.program);
        };
        (service.address, service.page) = (address, page);
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of {}:\n{}", self.program, self.log());
        }
    }
}
