//! A server, and a person at a terminal.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use expectrl::session::OsSession;

use super::narrowing::Narrowing;

const ROWS: NonZero<u16> = NonZero::new(24).expect("not zero");
const COLUMNS: NonZero<u16> = NonZero::new(80).expect("not zero");

/// What the editor writes behind the line each time (`ESU`, the end of a synchronized update).
const END_OF_DRAWING: &[u8] = b"\x1b[?2026l";

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server program on a port of its own; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts at a free port, storing in `dir`.
    pub(crate) fn start(dir: &Path, flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", dir, flags)
    }

    pub(crate) fn start_at(address: &str, dir: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chat"))
            .args(["--listen", address, "--data"])
            .arg(dir)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut first = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut first)
            .expect("its first line");
        let address = first.trim().to_owned();
        Self { child, address }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed already, or killed now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody at a terminal of 80 by 24 that never answers a query.
pub(crate) struct Person {
    session: OsSession,
    screen: vt100::Parser,
    raw: Vec<u8>,
}

impl Person {
    pub(crate) fn new(server: &Server, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        command
            .arg(&server.address)
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR");
        Self::run(command)
    }

    /// At a terminal that treats rows so that no longer fit.
    pub(crate) fn at(narrowing: Narrowing, server: &Server, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        command.arg(&server.address).args(arguments);
        command
            .env("TERM", "xterm-256color")
            .env_remove("TMUX")
            .env_remove("XTERM_VERSION");
        if narrowing == Narrowing::Cuts {
            command.env("XTERM_VERSION", "XTerm(379)");
        }
        Self::run(command)
    }

    /// Runs any program at the terminal.
    pub(crate) fn run(command: Command) -> Self {
        let mut session = OsSession::spawn(command).expect("the client starts");
        session
            .get_process_mut()
            .set_window_size(COLUMNS.get(), ROWS.get())
            .expect("a size");
        Self {
            session,
            screen: vt100::Parser::new(ROWS, COLUMNS, 1000),
            raw: Vec::new(),
        }
    }

    /// Types without Enter.
    pub(crate) fn types(&mut self, text: &str) {
        self.session
            .write_all(text.as_bytes())
            .and_then(|()| self.session.flush())
            .expect("the terminal takes it");
    }

    pub(crate) fn enters(&mut self, text: &str) {
        self.types(&format!("{text}\r"));
    }

    /// The terminal becomes narrower: it lays out anew what it shows, the program is told and draws the line anew.
    #[track_caller]
    pub(crate) fn narrows(&mut self, narrowing: Narrowing, columns: u16) {
        self.look();
        let wide = NonZero::new(columns).expect("not zero");
        narrowing.narrow(&mut self.screen, wide);
        self.session
            .get_process_mut()
            .set_window_size(columns, ROWS.get())
            .expect("a size");
        let drawn_before = self.raw.len();
        self.waits("it is not drawn anew", |person, _| {
            person.raw[drawn_before..].ends_with(END_OF_DRAWING)
        });
    }

    /// Sends SIGTERM to the child of the shell at this terminal that runs `program` (Linux).
    pub(crate) fn terminate_child(&mut self, program: &str) {
        let shell = self.session.get_process().pid();
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(children).expect("the shell is there");
        let is_it = |pid: &&str| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == program)
        };
        let child = children.split_whitespace().find(is_it).expect("the program runs");
        let ended = Command::new("kill")
            .args(["-TERM", child])
            .status()
            .expect("kill is there");
        assert!(ended.success());
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) {
        self.waits(&format!("{text:?} never came"), |_, screen| screen.contains(text));
    }

    /// Waits until the screen shows `text`, over the ends of its rows.
    #[track_caller]
    pub(crate) fn sees_over_rows(&mut self, text: &str) {
        self.waits(&format!("{text:?} never came"), |_, screen| {
            screen.replace('\n', "").contains(text)
        });
    }

    /// Waits until the program has ended, and returns the last screen.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> String {
        self.waits("it never ended", |person, _| {
            !person.session.get_process().is_alive().expect("a process")
        });
        self.look()
    }

    /// Looks at the screen until it `is_so`; `otherwise` is what to complain of if that never comes.
    #[track_caller]
    fn waits(&mut self, otherwise: &str, is_so: impl Fn(&Self, &str) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.look();
            if is_so(self, &screen) {
                return;
            }
            assert!(Instant::now() < until, "{otherwise}:\n{screen}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The screen now.
    pub(crate) fn look(&mut self) -> String {
        let mut buffer = [0; 4096];
        loop {
            match self.session.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    self.raw.extend_from_slice(&buffer[..count]);
                    self.screen.process(&buffer[..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The other end of the terminal is closed.
                Err(_) => break,
            }
        }
        self.screen.screen().contents()
    }

    /// Everything that the terminal was sent.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}
