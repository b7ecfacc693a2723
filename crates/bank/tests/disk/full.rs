//! The real program on a disk that is really full: a small tmpfs, mounted in a namespace of the test's own.
//!
//! Mounting takes root; without it, or without `unshare` and `nsenter`, the test says that it was skipped. What each single
//! failing write does is tried by the store's own tests and, with injected errors, by `injected`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::wire::{ask, log_in};

/// Room for the two smallest segments and nothing more: the third cannot be made.
const DISK_BYTES: &str = "9m";
/// Deposits that surely fill two segments, each in a sector of its own.
const DEPOSITS_MAX: usize = 20_000;

/// A process that keeps a mount namespace with a small disk alive. Dropping it takes the disk away.
struct SmallDisk {
    keeper: Child,
    place: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts the disk; nothing where that is not allowed.
    fn mount() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let script = format!(
            "mount -t tmpfs -o size={DISK_BYTES} tmpfs '{}' && echo mounted && exec cat",
            place.path().display()
        );
        let mut keeper = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = String::new();
        let _ = BufReader::new(keeper.stdout.as_mut()?).read_line(&mut said);
        let disk = Self { keeper, place };
        (said == "mounted\n" && disk.within("true").status().is_ok_and(|status| status.success()))
            .then_some(disk)
    }

    /// A command that sees the disk.
    fn within(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.keeper.id().to_string(), program]);
        command
    }

    /// Starts a bank on the disk, and returns it with its address.
    fn start_bank(&self) -> (Child, String) {
        let mut bank = self
            .within(env!("CARGO_BIN_EXE_bank"))
            .args(["--listen", "127.0.0.1:0", "--pin-cost", "least", "--log", "error"])
            .args(["--segment-bytes", "1", "--data"])
            .arg(self.place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bank.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        (bank, address.trim().to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn deposit(key: usize) -> Value {
    json!({"id": 1, "op": "deposit", "amount": "0.01", "key": format!("key {key}")})
}

/// The exit's success, and what was said on stderr.
fn end_of(mut bank: Child) -> (bool, String) {
    let mut said = String::new();
    bank.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (bank.wait().unwrap().success(), said)
}

#[test]
fn a_full_disk_ends_the_bank_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a file system can only be mounted as root, with unshare and nsenter");
        return;
    };
    let (bank, address) = disk.start_bank();
    let mut wire = log_in(&address);
    let mut acknowledged = 0;
    let refused = loop {
        match ask(&mut wire, &deposit(acknowledged)) {
            Some(reply) if reply["ok"].is_object() => acknowledged += 1,
            refused => break refused,
        }
        assert!(acknowledged < DEPOSITS_MAX, "the disk is never full");
    };
    assert!(
        acknowledged > 1_000,
        "only {acknowledged}: it was full from the beginning"
    );
    if let Some(refused) = refused {
        assert_eq!(refused["error"]["code"], "unavailable", "{refused}");
        assert!(refused["error"]["hint"].is_string(), "{refused}");
    }
    for request in [deposit(acknowledged + 1), json!({"id": 2, "op": "balance"})] {
        let after = ask(&mut wire, &request);
        assert!(
            after.is_none_or(|reply| reply["ok"].is_null()),
            "acknowledged after the failure"
        );
    }
    let (success, said) = end_of(bank);
    assert!(!success, "{said}");
    assert!(
        said.contains("error:") && said.contains("No space left"),
        "{said}"
    );
    assert!(said.contains("hint:") && said.contains("free space"), "{said}");

    // On the full disk it starts, and has everything that it acknowledged.
    let check = |wire: &mut BufReader<TcpStream>| {
        let held = ask(wire, &json!({"id": 3, "op": "balance"})).unwrap();
        // Ten and a cent for each deposit; the one without an answer may have been done.
        let holds = |deposits: usize| format!("{}.{:02}", 10 + deposits / 100, deposits % 100);
        let balance = held["ok"]["balance"].as_str().unwrap().to_owned();
        assert!(
            [holds(acknowledged), holds(acknowledged + 1)].contains(&balance),
            "{acknowledged}: {balance}"
        );
        for key in (0..acknowledged).step_by(997).chain([acknowledged - 1]) {
            let again = ask(wire, &deposit(key)).unwrap();
            assert_eq!(again["ok"]["balance"], holds(key + 1), "{again}");
        }
    };
    let (mut bank, address) = disk.start_bank();
    check(&mut log_in(&address));
    bank.kill().unwrap();
    end_of(bank);

    // With room it takes deposits again.
    let place = disk.place.path().display().to_string();
    let grown = disk
        .within("mount")
        .args(["-o", "remount,size=64m", &place])
        .status();
    assert!(grown.unwrap().success());
    let (mut bank, address) = disk.start_bank();
    let mut wire = log_in(&address);
    check(&mut wire);
    for key in [acknowledged, acknowledged + 1] {
        assert!(ask(&mut wire, &deposit(key)).unwrap()["ok"].is_object());
    }
    bank.kill().unwrap();
    end_of(bank);
    let audit = disk
        .within(env!("CARGO_BIN_EXE_bank"))
        .args(["audit", "--data", &place])
        .output()
        .unwrap();
    assert!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stderr)
    );
}
