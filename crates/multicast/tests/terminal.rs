//! The peer at a real terminal, which has what a pipe has not: Ctrl-D.

use std::process::Command;
use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect as _};

#[path = "common/group_file.rs"]
mod group_file;
#[path = "common/members.rs"]
mod members;

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(20);

/// What Ctrl-D types: at the beginning of a line the terminal takes it for the end of the input.
const CTRL_D: &[u8] = b"\x04";

#[test]
fn ctrl_d_ends_the_peer_in_order() {
    let directory = tempfile::tempdir().unwrap();
    group_file::write(&directory.path().join("group.json"), &members::members(1));
    let mut command = Command::new(env!("CARGO_BIN_EXE_multicast"));
    command.current_dir(directory.path()).args([
        "--id",
        "P1",
        "--group",
        "group.json",
        "--trace",
        "p1.jsonl",
    ]);
    let mut session = OsSession::spawn(command).unwrap();
    session.set_expect_timeout(Some(SOON));
    session.send_line("at a terminal").unwrap();
    session.expect("Sent: at a terminal").unwrap();
    session.send(CTRL_D).unwrap();
    session.expect(Eof).expect("the peer ends");
    let status = session.get_process().wait().unwrap();
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
    let trace = std::fs::read_to_string(directory.path().join("p1.jsonl")).unwrap();
    let closing = trace.lines().last().unwrap();
    assert!(closing.starts_with(r#"{"closed":true,"written":2,"#), "{trace}");
}
