//! The peer as a person meets it: real processes, real terminals' lines.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

#[path = "common/group_file.rs"]
mod group_file;
#[path = "common/members.rs"]
mod members;

/// Longest wait for a line.
const SOON: Duration = Duration::from_secs(20);

struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// Where it listens.
    address: String,
}

impl Peer {
    fn start(directory: &Path, id: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_multicast"));
        command
            .current_dir(directory)
            .args(["--id", id, "--group", "group.json"])
            .args(more);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| send.send(line))
        });
        let stdin = child.stdin.take().unwrap();
        let mut peer = Self {
            child,
            stdin,
            lines,
            address: String::new(),
        };
        peer.address = peer.line();
        assert!(
            peer.address.starts_with("127.0.0.1:"),
            "the first line is the address"
        );
        peer
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(SOON).expect("a line comes")
    }

    /// The next line without its time of day.
    fn expect(&mut self, head: &str, tail: &str) {
        let line = self.line();
        assert!(
            line.starts_with(head) && line.ends_with(tail),
            "{line:?} is not {head:?} … {tail:?}"
        );
    }

    fn type_line(&mut self, text: &str) {
        writeln!(self.stdin, "{text}").unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_seeds_session_and_a_peer_killed_and_started_again() {
    let directory = tempfile::tempdir().unwrap();
    group_file::write(&directory.path().join("group.json"), &members::members(3));
    let mut peers: Vec<Peer> = ["P3", "P1", "P2"]
        .map(|id| Peer::start(directory.path(), id, &[]))
        .into();
    peers.rotate_left(1);
    let [one, two, three] = &mut peers[..] else {
        panic!("three peers")
    };
    one.type_line("Olá a todos!");
    one.expect("[P1] [Lamport=1] ", " - Sent: Olá a todos!");
    two.expect("[P2] [Lamport=2] ", " - Delivered: Olá a todos! | From=P1");
    three.expect("[P3] [Lamport=2] ", " - Delivered: Olá a todos! | From=P1");
    two.type_line("Como vocês estão?");
    two.expect("[P2] [Lamport=3] ", " - Sent: Como vocês estão?");
    one.expect("[P1] [Lamport=4] ", " - Delivered: Como vocês estão? | From=P2");
    three.expect("[P3] [Lamport=4] ", " - Delivered: Como vocês estão? | From=P2");
    three.type_line("Mensagem final de P3");
    three.expect("[P3] [Lamport=5] ", " - Sent: Mensagem final de P3");
    one.expect(
        "[P1] [Lamport=6] ",
        " - Delivered: Mensagem final de P3 | From=P3",
    );
    two.expect(
        "[P2] [Lamport=6] ",
        " - Delivered: Mensagem final de P3 | From=P3",
    );

    two.child.kill().unwrap();
    two.child.wait().unwrap();
    one.type_line("enquanto P2 está fora");
    three.expect("[P3] ", " - Delivered: enquanto P2 está fora | From=P1");
    *two = Peer::start(directory.path(), "P2", &[]);
    // It may see again what it had delivered just before it was killed: it lost its state.
    while !two.line().ends_with("Delivered: enquanto P2 está fora | From=P1") {}
    two.type_line("voltei \u{1b}[2J");
    one.expect("[P1] [Lamport=7] ", " - Sent: enquanto P2 está fora");
    one.expect("[P1] ", " - Delivered: voltei \\u{1b}[2J | From=P2");

    for peer in &mut peers {
        peer.type_line("sair");
        assert!(peer.child.wait().unwrap().success());
    }
}

#[test]
fn json_for_machines_in_total_order() {
    let directory = tempfile::tempdir().unwrap();
    group_file::write(&directory.path().join("group.json"), &members::members(3));
    let mut peers: Vec<Peer> = ["P1", "P2", "P3"]
        .map(|id| Peer::start(directory.path(), id, &["--json", "--order", "total"]))
        .into();
    peers[1].type_line("a");
    for peer in &mut peers {
        loop {
            let line = peer.line();
            if line.starts_with(r#"{"event":"delivered""#) {
                assert!(
                    line.contains(r#""message":"P2/"#)
                        && line.contains(r#"/1","from":"P2","data":"a","stamp":1,"#),
                    "{line}"
                );
                break;
            }
        }
    }
}

#[test]
fn a_line_that_is_refused_keeps_no_other_back() {
    let directory = tempfile::tempdir().unwrap();
    group_file::write(&directory.path().join("group.json"), &members::members(1));
    let mut peer = Peer::start(directory.path(), "P1", &["--memory"]);
    let mut client = Command::new(env!("CARGO_BIN_EXE_multicast-client"))
        .args([&peer.address, "send"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let long = "x".repeat(multicast::limits::DATA_BYTES_MAX + 1);
    let lines = format!("before\n{long}\nafter\n");
    client.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert!(
        matches!(told[..], [before, after] if before.ends_with("Sent: before") && after.ends_with("Sent: after")),
        "{told:?}"
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("not sent: a message has at most 61440 bytes, this one has 61441"),
        "{said}"
    );
    assert!(said.ends_with("error: a line was not sent\n"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    peer.expect("[P1] [Lamport=1] ", "Sent: before");
    peer.expect("[P1] [Lamport=2] ", "Sent: after");
}

#[test]
fn a_mistake_ends_with_a_hint() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_multicast"))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&[]).contains("hint: say --id P1"));
    assert!(run(&["--id", "P9", "--memory"]).contains("hint: --id names one of the members"));
    let nowhere = run(&["--id", "P1", "--group", "/nowhere"]);
    assert!(
        nowhere.contains("failed to read the group file")
            && nowhere.contains("\nhint: name one with --group"),
        "{nowhere}"
    );
}

#[test]
fn a_reader_that_takes_nothing_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().unwrap();
    group_file::write(&directory.path().join("group.json"), &members::members(3));
    let mut child = Command::new(env!("CARGO_BIN_EXE_multicast"))
        .current_dir(directory.path())
        .args([
            "--id",
            "P1",
            "--group",
            "group.json",
            "--memory",
            "--grace",
            "500ms",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One line that is printed longer than a pipe holds: once it has begun to come, and is not read further, it is stuck.
    writeln!(stdin, "{}", "\u{202e}".repeat(10_000)).unwrap();
    let mut stdout = BufReader::with_capacity(16, child.stdout.take().unwrap());
    let (begins, begun) = channel();
    std::thread::spawn(move || {
        stdout.read_line(&mut String::new()).unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        begins.send(stdout)
    });
    let stdout = begun.recv_timeout(SOON).expect("the line is printed");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let (send, ended) = channel();
    std::thread::spawn(move || {
        let status = child.wait();
        let _ = send.send(status);
    });
    let status = ended
        .recv_timeout(SOON)
        .expect("the peer ends within its grace")
        .unwrap();
    assert!(status.success(), "{status}");
    assert!(log.any(|line| line.unwrap().contains("nobody reads what is printed")));
    drop(stdout);
}

#[test]
fn a_member_that_lost_its_data_directory_is_heard_again() {
    let directory = tempfile::tempdir().unwrap();
    group_file::write(&directory.path().join("group.json"), &members::members(2));
    let mut one = Peer::start(directory.path(), "P1", &[]);
    let mut two = Peer::start(directory.path(), "P2", &[]);
    one.type_line("before");
    two.expect("[P2] ", " - Delivered: before | From=P1");
    drop(one);
    std::fs::remove_dir_all(directory.path().join("data/multicast/P1")).unwrap();
    let mut one = Peer::start(directory.path(), "P1", &[]);
    one.type_line("after");
    two.expect("[P2] ", " - Delivered: after | From=P1");
}

#[test]
fn a_member_whose_later_life_is_known_ends_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    group_file::write(&directory.path().join("group.json"), &members::members(2));
    let data = directory.path().join("data/multicast/P1");
    std::fs::create_dir_all(&data).unwrap();
    // A life of the far future, whose directory is lost.
    std::fs::write(data.join("incarnation"), (1u64 << 52).to_string()).unwrap();
    let mut one = Peer::start(directory.path(), "P1", &[]);
    let mut two = Peer::start(directory.path(), "P2", &[]);
    one.type_line("before");
    two.expect("[P2] ", " - Delivered: before | From=P1");
    drop(one);
    std::fs::remove_dir_all(&data).unwrap();
    let mut one = Peer::start(directory.path(), "P1", &[]);
    assert_eq!(one.child.wait().unwrap().code(), Some(1));
}
