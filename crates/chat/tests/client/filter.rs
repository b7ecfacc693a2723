use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lamport::check::{Check, Merge, Options, Rule};

use super::support::Server;

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(20);

fn client(server: &Server, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_chat-client"));
    command
        .arg(&server.address)
        .args(arguments)
        .timeout(Duration::from_secs(60));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_thousand_lines_are_said_once_and_in_order_in_spite_of_the_flood_limit() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &["--flood-rate", "2000", "--flood-burst", "50"]);
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    client(&server, &["--name", "Ana"])
        .write_stdin(lines.join("\n") + "\n")
        .assert()
        .success()
        .stdout("");
    let history = client(&server, &["--name", "Bia"])
        .write_stdin("/history 500\n")
        .assert()
        .success();
    let shown = text(&history.get_output().stdout);
    let said: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.split_once("[Ana]: "))
        .map(|(_, text)| text)
        .collect();
    assert!(said.len() > 400, "{} lines", said.len());
    assert_eq!(said, lines[1000 - said.len()..], "every line once and in order");
}

#[test]
fn events_are_lines_and_json_is_what_came() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let listen = |flags: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_chat-client"))
            .arg(&server.address)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts")
    };
    let (plain, json) = (
        listen(&["--name", "Plain"]),
        listen(&["--name", "Json", "--json"]),
    );
    let both_are_there = || {
        let who = client(&server, &["--name", "Looking"])
            .write_stdin("/who\n")
            .assert()
            .success();
        let shown = text(&who.get_output().stdout);
        shown.contains("Plain") && shown.contains("Json")
    };
    while !both_are_there() {}
    client(&server, &["--name", "Ana"])
        .write_stdin("Olá\n\n//slash\nsair\nnever said\n")
        .assert()
        .success();
    let output = |mut child: std::process::Child| {
        child.stdin.take().expect("piped").flush().expect("open");
        text(
            &child
                .wait_with_output()
                .expect("ends at the end of its input")
                .stdout,
        )
    };
    let shown = output(plain);
    let ana: Vec<&str> = shown.lines().filter(|line| line.contains("Ana")).collect();
    assert_eq!(
        ana,
        [
            "[SERVER]: Ana entered the chat.",
            "[Ana]: Olá",
            "[Ana]: /slash",
            "[SERVER]: Ana left the chat."
        ]
    );
    let shown = output(json);
    let ana: Vec<&str> = shown.lines().filter(|line| line.contains("\"Ana\"")).collect();
    assert_eq!(ana.len(), 4, "{shown}");
    assert!(
        ana[1].starts_with("{\"lamport\":") && ana[1].contains(r#""event":"said","room":"lobby","#),
        "{}",
        ana[1]
    );
}

/// A client that said a line and whose server is gone since.
struct Left {
    client: std::process::Child,
    input: std::process::ChildStdin,
    _dir: tempfile::TempDir,
}

fn left_by_its_server() -> Left {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(dir.path(), &["--flush-interval", "1ms"]);
    let mut ana = Command::new(env!("CARGO_BIN_EXE_chat-client"))
        .arg(&server.address)
        .args(["--name", "Ana"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut input = ana.stdin.take().expect("piped");
    writeln!(input, "hello").expect("open");
    let is_said = || {
        let history = client(&server, &["--name", "Looking"])
            .write_stdin("/history 5\n")
            .assert()
            .success();
        text(&history.get_output().stdout).contains("[Ana]: hello")
    };
    while !is_said() {}
    server.kill();
    let mut told = BufReader::new(ana.stderr.take().expect("piped")).lines();
    let is_gone = |line: std::io::Result<String>| line.expect("UTF-8").contains("The server is gone");
    assert!(told.any(is_gone), "it says so");
    // Whatever else it says is not for us.
    std::thread::spawn(move || told.count());
    Left {
        client: ana,
        input,
        _dir: dir,
    }
}

/// Waits for its end, which it would not reach by itself if it went on trying.
fn ends(mut client: std::process::Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        match client.try_wait().expect("waited for") {
            Some(ended) => return ended,
            None if begun.elapsed() < SOON => std::thread::sleep(Duration::from_millis(20)),
            None => {
                client.kill().expect("SIGKILL");
                panic!("it still tries to come back");
            }
        }
    }
}

fn signal(client: &std::process::Child) {
    let sent = Command::new("kill").arg(client.id().to_string()).status();
    assert!(sent.expect("kill is there").success());
}

#[test]
fn who_has_said_everything_does_not_wait_for_a_server_that_is_gone() {
    let left = left_by_its_server();
    drop(left.input);
    assert!(ends(left.client).success());
}

#[test]
fn who_waits_for_a_server_to_say_the_rest_can_be_ended() {
    let mut left = left_by_its_server();
    writeln!(left.input, "and more").expect("open");
    drop(left.input);
    // A first one may come before the line is read: then it leaves with what it has said.
    signal(&left.client);
    let ended = ends(left.client);
    assert_eq!(ended.code().map(|code| code <= 1), Some(true), "{ended}");
}

#[test]
fn mistakes_are_explained_on_stderr() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let check = |mut command: assert_cmd::Command, expected: &str| {
        let output = command.assert().failure().get_output().clone();
        assert_eq!(text(&output.stdout), "");
        let told = text(&output.stderr);
        assert!(told.contains(expected) && told.contains("hint: "), "{told}");
    };
    check(client(&server, &[]), "nobody can be asked for a name");
    check(client(&server, &["--name", "\u{202e}"]), "a name");
    let mut nobody = assert_cmd::Command::new(env!("CARGO_BIN_EXE_chat-client"));
    nobody.args(["127.0.0.1:1", "--name", "Ana"]);
    check(nobody, "cargo run -p chat");
    let mut refused = client(&server, &["--name", "Ana"]);
    refused.write_stdin(format!("{}\nshort\n", "x".repeat(9000)));
    let output = refused.assert().failure().get_output().clone();
    assert!(text(&output.stderr).contains("say: "), "{}", text(&output.stderr));
}

#[test]
fn what_was_sent_and_received_is_recorded() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let file = dir.path().join("client.trace.jsonl");
    client(
        &server,
        &["--name", "Ana", "--trace", file.to_str().expect("UTF-8")],
    )
    .write_stdin("oi\n")
    .assert()
    .success();
    let trace = std::fs::read_to_string(file).expect("recorded");
    for expected in [
        r#""label":"join""#,
        r#""joined":1"#,
        r#""label":"say""#,
        r#""seq":2"#,
        r#""left":1"#,
        r#""closed":true"#,
    ] {
        assert!(trace.contains(expected), "{expected} in {trace}");
    }
}

/// A killed hub goes on behind the numbers it had reserved, and its trace lacks the end.
#[test]
fn traces_of_a_hub_that_was_killed_in_between_are_proved_right() {
    let dir = tempfile::tempdir().expect("a directory");
    let trace = |of: &str| dir.path().join(of).to_str().expect("UTF-8").to_owned();
    let mut address = "127.0.0.1:0".to_owned();
    for (hub, name) in [("hub1", "Ana"), ("hub2", "Bia"), ("hub3", "Carla")] {
        let mut server = Server::start_at(&address, dir.path(), &["--trace", &trace(hub)]);
        address.clone_from(&server.address);
        client(&server, &["--name", name, "--trace", &trace(name)])
            .write_stdin("one\ntwo\n")
            .assert()
            .success();
        let is_recorded = || std::fs::read_to_string(trace(hub)).is_ok_and(|text| text.contains("\"said\""));
        while !is_recorded() {}
        server.kill();
    }
    let mut merge = Merge::new();
    for of in ["hub1", "hub2", "hub3", "Ana", "Bia", "Carla"] {
        merge.open(trace(of)).expect("it is there");
    }
    let report = merge.check(Check::new(Options::default())).expect("readable");
    let report = report.unwrap_or_else(|violation| panic!("{violation}: {:?}", violation.events));
    assert!(report.tested(Rule::RoomNumbered) >= 6, "{report}");
}

#[test]
fn the_log_says_what_the_help_says_it_does() {
    let help = assert_cmd::Command::new(env!("CARGO_BIN_EXE_chat-client"))
        .arg("--help")
        .output()
        .unwrap();
    assert!(
        text(&help.stdout).contains("[env: CHAT_CLIENT_LOG=] [default: error]"),
        "the default that is told is the one that is used"
    );
}
