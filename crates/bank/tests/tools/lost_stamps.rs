//! A bank whose file `stamps` is lost, as an operator meets it.

use std::fs;
use std::path::Path;

use crate::mistakes::check_failure;
use crate::{BANK, done};

const HINT: &str = "if the directory was copied, copy this file of it too; if it is lost, `bank recover-stamps` makes it \
                    anew, beyond every time that can have been used";

/// A bank in `at/bank` that was never served, and what happens to its `stamps`.
fn opened(at: &Path, harm: impl FnOnce(&Path)) {
    done(at, "open 1 --holder A --pin 4711 --pin-cost least --data bank");
    harm(&at.join("bank/stamps"));
}

#[test]
fn without_its_stamps_nothing_is_done_with_a_bank_until_they_are_recovered() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    opened(at, |stamps| fs::remove_file(stamps).unwrap());
    let what = "stamps is missing beside the journal: nobody knows which Lamport times were used";
    for command in ["audit", "export out", "close 1", "--listen 127.0.0.1:0"] {
        check_failure(BANK, at, &format!("{command} --data bank"), what, HINT);
    }
    assert!(!at.join("bank/stamps").exists());
    let mark = bank::limits::STAMPS_RECOVERY_LEAP;
    assert_eq!(
        done(at, "recover-stamps --data bank"),
        format!("stamps recovered: Lamport times go on after {mark}")
    );
    done(at, "audit --data bank");
    let kept = "stamps is there and whole, nothing is to be recovered";
    let hint = "if it is older than the journal beside it, remove it first";
    check_failure(BANK, at, "recover-stamps --data bank", kept, hint);
}

/// An older one from a copy would be believed.
#[test]
fn damaged_stamps_are_recovered_and_not_restored_from_a_copy() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    opened(at, |stamps| fs::write(stamps, "").unwrap());
    let what = "stamps is damaged at byte 0: it is not as it was written";
    check_failure(BANK, at, "audit --data bank", what, HINT);
    done(at, "recover-stamps --data bank");
    done(at, "audit --data bank");
}

#[test]
fn there_is_nothing_to_recover_where_there_is_no_bank() {
    let directory = tempfile::tempdir().unwrap();
    let hint = "name the directory of a bank with --data";
    check_failure(
        BANK,
        directory.path(),
        "recover-stamps --data nowhere",
        "there is no bank in nowhere",
        hint,
    );
    assert!(!directory.path().join("nowhere").exists());
}
