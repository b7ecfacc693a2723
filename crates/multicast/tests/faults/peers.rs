//! Real peers: processes that are started, fed, killed, stopped and listened to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use multicast::Members;
use multicast::client::MessageName;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

use crate::checker::{Order, Said, View, agreement};
use crate::group_file;
use crate::members::members;

/// How long a peer may take to listen.
const START: Duration = Duration::from_secs(10);
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

/// What all members said, and a bell that rings with every word.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<Heard>>,
    bell: Condvar,
}

#[derive(Default)]
struct Heard {
    said: Vec<Said>,
    delivered: BTreeSet<MessageName>,
    /// Messages sent by the present life, unless it was killed.
    owed: BTreeSet<MessageName>,
    /// Lines typed at the present life.
    typed: usize,
    /// The stamps of what it sent.
    stamps: Vec<u64>,
    /// All that it was told to be sent, over all lives.
    acknowledged: BTreeSet<MessageName>,
    /// What it delivered, by number.
    numbers: BTreeMap<u64, MessageName>,
    /// Deliveries that were told again under their number.
    again: usize,
    /// The first number that meant two messages.
    misnumbered: Option<String>,
    listening: bool,
}

#[derive(Deserialize)]
struct Line {
    event: String,
    message: Option<MessageName>,
    #[serde(default)]
    data: String,
    #[serde(default)]
    stamp: u64,
    #[serde(default)]
    number: u64,
}

/// What a member told by numbers, over all its lives.
pub(crate) struct Numbered {
    pub(crate) acknowledged: BTreeSet<MessageName>,
    pub(crate) numbers: BTreeMap<u64, MessageName>,
    pub(crate) again: usize,
    pub(crate) misnumbered: Option<String>,
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
        let ear = Arc::new(Ear::default());
        *ear.heard.lock().unwrap() = ids.iter().map(|_| Heard::default()).collect();
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
            let mut heard = self.ear.heard.lock().unwrap();
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
        let listening = self.wait(START, |heard| heard[index].listening);
        assert!(
            listening,
            "{id} does not listen after {START:?}: {}",
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
        let mut heard = self.ear.heard.lock().unwrap();
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
        self.ear.heard.lock().unwrap()[index].typed += 1;
    }

    /// Waits until all members delivered the same, and everything that was typed at the running ones, as far as the
    /// checker demands it of members that were killed. How long it took, or nothing after `patience`.
    pub(crate) fn agree(&self, patience: Duration) -> Option<Duration> {
        let began = Instant::now();
        let give_up = began + patience;
        loop {
            let all_sent = |heard: &[Heard]| heard.iter().all(|member| member.owed.len() == member.typed);
            if !self.wait(give_up.saturating_duration_since(Instant::now()), all_sent) {
                return None;
            }
            if self.all_delivered() {
                return Some(began.elapsed());
            }
            if Instant::now() > give_up {
                return None;
            }
            self.wait(LOOK_EVERY, |_| false);
        }
    }

    /// Whether everybody delivered what anybody did, and what the present lives sent.
    ///
    /// What a member lacks may have been delivered, untold, by a life of it that was killed. The latest message of each present life
    /// was sent after that, so it must be there: otherwise a link that is still down would be taken for such a death.
    fn all_delivered(&self) -> bool {
        let views = self.views();
        let heard = self.ear.heard.lock().unwrap();
        let mut latest = heard.iter().filter_map(|member| member.owed.last());
        heard
            .iter()
            .all(|member| member.owed.is_subset(&member.delivered))
            && latest.all(|message| heard.iter().all(|member| member.delivered.contains(message)))
            && agreement(&views).is_ok()
    }

    /// Waits until these members have delivered whatever was typed at one of them.
    pub(crate) fn agree_between(&self, members: &[usize], patience: Duration) -> bool {
        self.wait(patience, |heard| {
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
        self.ear.heard.lock().unwrap()[index]
            .stamps
            .last()
            .copied()
            .unwrap_or(0)
    }

    /// Waits until a member has delivered so many messages more than `before`.
    pub(crate) fn delivers(&self, index: usize, count: usize, patience: Duration) -> bool {
        self.wait(patience, |heard| heard[index].delivered.len() >= count)
    }

    /// How much a member has delivered, over all its lives.
    pub(crate) fn delivered(&self, index: usize) -> usize {
        self.ear.heard.lock().unwrap()[index].delivered.len()
    }

    fn wait(&self, patience: Duration, mut done: impl FnMut(&[Heard]) -> bool) -> bool {
        let give_up = Instant::now() + patience;
        let mut heard = self.ear.heard.lock().unwrap();
        while !done(&heard) {
            let Some(left) = give_up.checked_duration_since(Instant::now()) else {
                return false;
            };
            heard = self.ear.bell.wait_timeout(heard, left).unwrap().0;
        }
        true
    }

    /// What a member told by numbers so far.
    pub(crate) fn numbered(&self, index: usize) -> Numbered {
        let heard = &self.ear.heard.lock().unwrap()[index];
        Numbered {
            acknowledged: heard.acknowledged.clone(),
            numbers: heard.numbers.clone(),
            again: heard.again,
            misnumbered: heard.misnumbered.clone(),
        }
    }

    /// What every member said so far.
    pub(crate) fn views(&self) -> Vec<View> {
        let heard = self.ear.heard.lock().unwrap();
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

impl Heard {
    fn note_number(&mut self, number: u64, message: &MessageName) {
        match self.numbers.insert(number, message.clone()) {
            None => {}
            Some(had) if had == *message => self.again += 1,
            Some(had) => {
                let why = format!("number {number} is {message} and was {had}");
                self.misnumbered.get_or_insert(why);
            }
        }
    }
}

impl Ear {
    /// Hears a life of a member to its end.
    fn listen(&self, index: usize, output: impl std::io::BufRead) {
        let mut lines = output.lines().map_while(Result::ok);
        // The address comes first.
        if lines.next().is_none() {
            return;
        }
        self.with(index, |heard| heard.listening = true);
        for line in lines {
            // The last line of a killed peer may be half a line.
            let Ok(Line {
                event,
                message,
                data,
                stamp,
                number,
            }) = serde_json::from_str(&line)
            else {
                continue;
            };
            let Some(message) = message else { continue };
            self.with(index, |heard| match event.as_str() {
                "sent" => {
                    heard.owed.insert(message.clone());
                    heard.acknowledged.insert(message.clone());
                    heard.stamps.push(stamp);
                    heard.said.push(Said::Sent(message, data));
                }
                "delivered" => {
                    heard.note_number(number, &message);
                    heard.delivered.insert(message.clone());
                    heard.said.push(Said::Delivered(message, data));
                }
                _ => {}
            });
        }
    }

    fn with(&self, index: usize, change: impl FnOnce(&mut Heard)) {
        let mut heard: MutexGuard<'_, Vec<Heard>> = self.heard.lock().unwrap();
        change(&mut heard[index]);
        self.bell.notify_all();
    }
}
