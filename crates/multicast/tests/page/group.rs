//! A group of three peers, each with a page.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use browser::{Browser, Page, Service};
use tempfile::TempDir;

use super::group_file;
use super::members::members;

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

    /// The trace file of a peer.
    pub(crate) fn trace(&self, n: usize) -> PathBuf {
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
