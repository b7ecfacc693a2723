//! A group of three peers, each with a page.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use browser::{Browser, Page, Service};
use lamport::trace::{Reader, Record, TraceEvent};
use tempfile::TempDir;

use super::group_file;
use super::members::members;

/// How long a trace may take to be written on a busy machine.
const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// Between two looks at the traces.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Three peers on free ports. They end with it.
pub(crate) struct Group {
    pub(crate) peers: Vec<Service>,
    directory: TempDir,
}

impl Group {
    /// Starts P1, P2 and P3, each with these flags too and a trace file.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        group_file::write(&directory.path().join("group.json"), &members(3));
        let mut group = Self {
            peers: Vec::new(),
            directory,
        };
        for n in 1..=3 {
            let peer = group.run(n, flags);
            group.peers.push(peer);
        }
        group
    }

    fn run(&self, n: usize, flags: &[&str]) -> Service {
        let file = |name: String| self.directory.path().join(name).display().to_string();
        let (id, group) = (format!("P{n}"), file("group.json".to_owned()));
        let (data, trace) = (file(format!("data-P{n}")), self.trace(n).display().to_string());
        let own = ["--id", &id, "--group", &group, "--data", &data, "--trace", &trace];
        Service::start(
            env!("CARGO_BIN_EXE_multicast"),
            &own.iter().chain(flags).copied().collect::<Vec<_>>(),
        )
    }

    /// What the trace files of all peers tell, once it is so many events: they are written a little later than a page is told.
    pub(crate) fn traced(&self, count: usize) -> Vec<TraceEvent<'static>> {
        let until = Instant::now() + WRITTEN_WITHIN;
        loop {
            let events: Vec<_> = (1..=3).flat_map(|n| events(&self.trace(n))).collect();
            if events.len() == count {
                return events;
            }
            assert!(Instant::now() < until, "{} of {count} events", events.len());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn trace(&self, n: usize) -> PathBuf {
        self.directory.path().join(format!("P{n}.jsonl"))
    }

    /// The page of a peer, once all members are there and their events are told.
    pub(crate) fn page(&self, browser: &Browser, n: usize) -> Page {
        let page = browser.open(self.peers[n - 1].page());
        page.sees("#state", "live");
        page.until("document.querySelectorAll('.member:not(.away)').length === 3");
        page.until("parseInt(document.querySelector('#events').textContent) >= 3");
        page
    }

    /// Sends a text from a peer, as somebody at a terminal would.
    pub(crate) fn sends(&self, n: usize, text: &str) {
        let sent = Command::new(env!("CARGO_BIN_EXE_multicast-client"))
            .args([self.peers[n - 1].address(), "send", text])
            .output()
            .expect("multicast-client runs");
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }

    /// Sends many texts from a peer, as a pipe would.
    pub(crate) fn sends_all(&self, n: usize, texts: &[String]) {
        let mut client = Command::new(env!("CARGO_BIN_EXE_multicast-client"))
            .args([self.peers[n - 1].address(), "send"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("multicast-client runs");
        let mut lines = client.stdin.take().expect("piped");
        lines
            .write_all((texts.join("\n") + "\n").as_bytes())
            .expect("it reads");
        drop(lines);
        assert!(client.wait().expect("it ends").success());
    }

    /// The session of the three: each sends once the message before is delivered everywhere.
    pub(crate) fn plays_session(&self, page: &Page) {
        for (n, text) in ["Olá a todos!", "Como vocês estão?", "Mensagem final de P3"]
            .into_iter()
            .enumerate()
        {
            self.sends(n + 1, text);
            page.until(&format!(
                "document.querySelectorAll('.event').length === {}",
                3 + 3 * (n + 1)
            ));
        }
    }
}

/// The events that a trace file holds so far.
fn events(trace: &Path) -> Vec<TraceEvent<'static>> {
    let records = Reader::open(trace).expect("a trace").map_while(Result::ok);
    records
        .filter_map(|record| match record {
            Record::Event(event) => Some(event),
            _ => None,
        })
        .collect()
}
