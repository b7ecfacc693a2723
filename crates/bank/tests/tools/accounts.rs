//! `bank export`, `import`, `open`, `close` and `audit`, as an operator meets them.

use crate::mistakes::check_failure;
use crate::{BANK, done};

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
    let hint = "withdraw or transfer the money first";
    check_failure(
        BANK,
        at,
        "close 0042 --data two",
        "account 0042 cannot be opened or closed: ",
        hint,
    );
}

#[test]
fn what_is_not_there_is_told_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let hint = "name the directory of a bank with --data";
    for command in ["audit", "export out", "close 1"] {
        let words = format!("{command} --data nowhere");
        check_failure(BANK, at, &words, "there is no bank in nowhere", hint);
    }
    assert!(!at.join("nowhere").exists());
    std::fs::create_dir(at.join("other")).unwrap();
    std::fs::write(at.join("other/notes"), "").unwrap();
    for command in ["audit", "export out", "close 1"] {
        let words = format!("{command} --data other");
        check_failure(BANK, at, &words, "there is no bank in other", hint);
    }
    assert_eq!(std::fs::read_dir(at.join("other")).unwrap().count(), 1);
    std::fs::write(at.join("file"), "").unwrap();
    let hint = "name a directory that this user may write to with --data";
    for command in ["open 1 --holder A --pin 4711", "--listen 127.0.0.1:0"] {
        let words = format!("{command} --data file");
        check_failure(BANK, at, &words, "failed to use the data directory file: ", hint);
    }
}

#[test]
fn a_directory_in_use_is_told_with_the_process_that_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let open = "open 1 --holder A --pin 4711 --pin-cost least --data bank";
    done(at, open);
    let vault = bank::Vault::open(&at.join("bank")).unwrap();
    let what = format!(
        "the data directory bank is in use by process {}",
        std::process::id()
    );
    let hint = "end that process, or name another directory with --data";
    for command in ["audit", "export out", "close 1", "--listen 127.0.0.1:0"] {
        check_failure(BANK, at, &format!("{command} --data bank"), &what, hint);
    }
    drop(vault);
    done(at, "audit --data bank");
}
