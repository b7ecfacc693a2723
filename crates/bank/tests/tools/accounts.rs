//! `bank export`, `import`, `open`, `close` and `audit`, as an operator meets them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `bank` in `directory`, where nobody can be asked anything.
fn bank(directory: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bank"))
        .current_dir(directory)
        .args(words.split(' '))
        .env_remove("BANK_PIN")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a command that succeeds prints.
fn done(directory: &Path, words: &str) -> String {
    let output = bank(directory, words);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {log}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A command that fails says `what`, and ends with `hint`.
fn check_refused(directory: &Path, words: &str, what: &str, hint: &str) {
    let output = bank(directory, words);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}: {told}");
    assert!(told.contains(&format!("error: {what}")), "{words}: {told}");
    assert!(told.ends_with(&format!("\nhint: {hint}\n")), "{words}: {told}");
}

#[test]
fn accounts_go_from_one_bank_to_another_and_the_sum_stays_zero() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let open = "open 0042 --holder Zoe --balance 12.50 --pin 4711 --pin-cost least --data one";
    assert_eq!(done(at, open), "account 0042 opened");
    assert_eq!(done(at, "export out --data one"), "1 accounts exported");
    assert_eq!(
        std::fs::read_to_string(at.join("out/0042.json"))
            .unwrap()
            .trim_end(),
        r#"{"rg":"0042","nome":"Zoe","saldo":12.50}"#
    );
    let import = "import out --pin 4711 --pin-cost least --data two";
    assert_eq!(done(at, import), "1 accounts imported");
    let audited = done(at, "audit --data two");
    assert!(
        audited.contains(r#""accounts":1"#) && audited.contains(r#""sum":0"#),
        "{audited}"
    );
    check_refused(
        at,
        "close 0042 --data two",
        "account 0042: ",
        "withdraw or transfer the money first",
    );
}

#[test]
fn what_is_not_there_is_told_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let hint = "name the directory of a bank with --data";
    for command in ["audit", "export out", "close 1"] {
        let words = format!("{command} --data nowhere");
        check_refused(at, &words, "there is no bank in nowhere", hint);
    }
    assert!(!at.join("nowhere").exists());
    std::fs::create_dir(at.join("other")).unwrap();
    std::fs::write(at.join("other/notes"), "").unwrap();
    for command in ["audit", "export out", "close 1"] {
        let words = format!("{command} --data other");
        check_refused(at, &words, "there is no bank in other", hint);
    }
    assert_eq!(std::fs::read_dir(at.join("other")).unwrap().count(), 1);
    std::fs::write(at.join("file"), "").unwrap();
    let hint = "name a directory that this user may write to with --data";
    check_refused(
        at,
        "open 1 --holder A --pin 4711 --data file",
        "failed to use the data directory file: ",
        hint,
    );
    let hint = "name a directory that this user may write to with --data";
    check_refused(
        at,
        "--listen 127.0.0.1:0 --data file",
        "failed to use the data directory file: ",
        hint,
    );
}

#[test]
fn where_nobody_can_be_asked_for_a_pin_the_hint_says_how_to_give_one() {
    let directory = tempfile::tempdir().unwrap();
    check_refused(
        directory.path(),
        "open 1 --holder A",
        "nobody can be asked for a PIN here",
        "give it with --pin, or in the environment variable BANK_PIN",
    );
}
