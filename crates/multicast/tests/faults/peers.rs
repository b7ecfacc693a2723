//! Real peers: processes that are started, fed, killed, stopped and listened to.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use multicast::Members;
use multicast::client::MessageName;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::checker::{Order, Said, View, agreement};
use crate::ear::{Ear, Heard, Numbered};
use crate::group_file;
use crate::members::members;

/// How long anything may take on a busy machine. What matters took how long is printed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at whether all agree, which takes some milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the members of a group with a secret share.
pub(crate) const SECRET: &str = "a secret of the tests, long enough for anybody";
/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_multicast");

/// How the members are started.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) order: Order,
    /// P1 to P3, and where they listen.
    pub(crate) members: Members,
    /// What stands before the program, `ip netns exec …`, for each member.
    pub(crate) inside: Vec<Vec<String>>,
    pub(crate) secret: bool,
    pub(crate) durable: bool,
}

/// A group of real peers and everything that they say.
pub(crate) struct Group {
    pub(crate) setting: Setting,
    directory: TempDir,
    pub(crate) members: Vec<Member>,
    ear: Arc<Ear>,
}

pub(crate) struct Member {
    pub(crate) id: String,
    process: Option<Process>,
    /// Lives begun.
    pub(crate) lives: u32,
    written: u64,
}

struct Process {
    child: Child,
    /// Gone once the peer does not read any more.
    input: ChildStdin,
    listener: std::thread::JoinHandle<()>,
}

impl Setting {
    /// Three members on free ports of this machine.
    pub(crate) fn loopback(order: Order) -> Self {
        Self {
            order,
            members: members(3),
            inside: vec![Vec::new(); 3],
            secret: false,
            durable: false,
        }
    }
}

impl Group {
    /// No member runs yet.
    pub(crate) fn new(setting: Setting) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listed = (0..setting.members.len()).map(multicast::Member::new);
        let ids: Vec<String> = listed
            .map(|member| setting.members.id(member).to_string())
            .collect();
        group_file::write(&directory.path().join("group.json"), &setting.members);
        std::fs::write(directory.path().join("secret"), SECRET).unwrap();
        let ear = Arc::new(Ear::new(ids.len()));
        let member = |id| Member {
            id,
            process: None,
            lives: 0,
            written: 0,
        };
        Self {
            members: ids.into_iter().map(member).collect(),
            setting,
            directory,
            ear,
        }
    }

    /// A group whose members all run.
    pub(crate) fn started(setting: Setting) -> Self {
        let mut group = Self::new(setting);
        (0..group.members.len()).for_each(|member| group.start(member));
        group
    }

    /// Starts a member and waits until it listens.
    pub(crate) fn start(&mut self, index: usize) {
        let inside = &self.setting.inside[index];
        let words = inside
            .iter()
            .map(String::as_str)
            .chain([PROGRAM])
            .collect::<Vec<_>>();
        let id = self.members[index].id.clone();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args(["--id", &id, "--order", self.setting.order.name(), "--json"]);
        command
            .arg("--group")
            .arg(self.directory.path().join("group.json"));
        command.arg("--data").arg(self.directory.path().join(&id));
        if self.setting.durable {
            command.arg("--durable");
        }
        if self.setting.secret {
            command
                .arg("--secret-file")
                .arg(self.directory.path().join("secret"));
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(index))
            .unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let input = child.stdin.take().unwrap();
        {
            let mut heard = self.ear.heard();
            heard[index].listening = false;
            if self.members[index].lives > 0 {
                heard[index].said.push(Said::Forgot);
            }
        }
        let ear = Arc::clone(&self.ear);
        let listener = std::thread::spawn(move || ear.listen(index, output));
        self.members[index].lives += 1;
        self.members[index].process = Some(Process {
            child,
            input,
            listener,
        });
        let listening = self.ear.wait(PATIENCE, |heard| heard[index].listening);
        assert!(
            listening,
            "{id} does not listen after {PATIENCE:?}: {}",
            self.log_text(index)
        );
    }

    /// Kills a member without warning.
    pub(crate) fn kill(&mut self, index: usize) {
        let mut process = self.members[index]
            .process
            .take()
            .expect("a running member is killed");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        // What it had said is heard to the end before anybody judges.
        process.listener.join().unwrap();
        let mut heard = self.ear.heard();
        heard[index].owed.clear();
        heard[index].typed = 0;
    }

    pub(crate) fn signal(&self, index: usize, signal: Signal) {
        let process = self.members[index]
            .process
            .as_ref()
            .expect("a running member is signalled");
        let pid = Pid::from_raw(i32::try_from(process.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Where a member listens.
    pub(crate) fn address(&self, index: usize) -> &str {
        self.setting.members.address(multicast::Member::new(index))
    }

    pub(crate) fn runs(&self, index: usize) -> bool {
        self.members[index].process.is_some()
    }

    /// Types a line at a member. The text is told apart from all others.
    pub(crate) fn say(&mut self, index: usize) {
        let member = &mut self.members[index];
        let Some(process) = &mut member.process else {
            return;
        };
        member.written += 1;
        writeln!(process.input, "{}: {}", member.id, member.written).expect("a running member reads");
        self.ear.heard()[index].typed += 1;
    }

    /// For so long, every member that runs and is not away sends a message at each step of the pace: on a busy machine no fewer.
    pub(crate) fn load(&mut self, away: &[usize], pace: Duration, duration: Duration) {
        let began = Instant::now();
        for sent in 1..=duration.div_duration_f64(pace) as u32 {
            let there = (0..self.members.len()).filter(|member| !away.contains(member));
            there.for_each(|member| self.say(member));
            // This sets the pace of the load; nothing waits for it.
            std::thread::sleep((pace * sent).saturating_sub(began.elapsed()));
        }
    }

    /// Waits until all members delivered the same, and everything that was typed at the running ones, as far as the
    /// checker demands it of members that were killed. How long it took, or nothing after `patience`.
    pub(crate) fn agree(&self, patience: Duration) -> Option<Duration> {
        let began = Instant::now();
        let give_up = began + patience;
        loop {
            let all_sent = |heard: &[Heard]| heard.iter().all(|member| member.owed.len() == member.typed);
            if !self
                .ear
                .wait(give_up.saturating_duration_since(Instant::now()), all_sent)
            {
                return None;
            }
            if self.all_delivered() {
                return Some(began.elapsed());
            }
            if Instant::now() > give_up {
                return None;
            }
            self.ear.wait(LOOK_EVERY, |_| false);
        }
    }

    /// Whether everybody delivered what anybody did, and what the present lives sent.
    ///
    /// What a member lacks may have been delivered, untold, by a life of it that was killed. The latest message of each present life
    /// was sent after that, so it must be there: otherwise a link that is still down would be taken for such a death.
    fn all_delivered(&self) -> bool {
        let views = self.views();
        let heard = self.ear.heard();
        let mut latest = heard.iter().filter_map(|member| member.owed.last());
        heard
            .iter()
            .all(|member| member.owed.is_subset(&member.delivered))
            && latest.all(|message| heard.iter().all(|member| member.delivered.contains(message)))
            && agreement(&views).is_ok()
    }

    /// Waits until these members have delivered whatever was typed at one of them.
    pub(crate) fn agree_between(&self, members: &[usize], patience: Duration) -> bool {
        self.ear.wait(patience, |heard| {
            let owed = |of: &usize| heard[*of].owed.len() == heard[*of].typed;
            let all: BTreeSet<&MessageName> = members.iter().flat_map(|&of| &heard[of].owed).collect();
            members.iter().all(owed)
                && members
                    .iter()
                    .all(|&of| all.iter().all(|name| heard[of].delivered.contains(name)))
        })
    }

    /// The stamp of the last message that a member sent.
    pub(crate) fn last_stamp(&self, index: usize) -> u64 {
        self.ear.heard()[index].stamps.last().copied().unwrap_or(0)
    }

    /// Waits until a member has delivered so many messages more than `before`.
    pub(crate) fn delivers(&self, index: usize, count: usize, patience: Duration) -> bool {
        self.ear
            .wait(patience, |heard| heard[index].delivered.len() >= count)
    }

    /// How much a member has delivered, over all its lives.
    pub(crate) fn delivered(&self, index: usize) -> usize {
        self.ear.heard()[index].delivered.len()
    }

    /// What a member told by numbers so far.
    pub(crate) fn numbered(&self, index: usize) -> Numbered {
        self.ear.heard()[index].numbered.clone()
    }

    /// What every member said so far.
    pub(crate) fn views(&self) -> Vec<View> {
        let heard = self.ear.heard();
        let view = |(member, heard): (&Member, &Heard)| View {
            member: member.id.clone(),
            said: heard.said.clone(),
        };
        self.members.iter().zip(heard.iter()).map(view).collect()
    }

    fn log(&self, index: usize) -> PathBuf {
        self.directory
            .path()
            .join(format!("{}.log", self.members[index].id))
    }

    /// A member's log.
    pub(crate) fn log_text(&self, index: usize) -> String {
        std::fs::read_to_string(self.log(index)).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            if self.runs(index) {
                self.kill(index);
            }
            if std::thread::panicking() {
                let log = self.log_text(index);
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                eprintln!("--- {}", self.members[index].id);
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}
