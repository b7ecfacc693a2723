//! What `bank` and `bank-client` say to somebody who makes a mistake.

use std::net::TcpListener;

use crate::mistakes::{check_failure, check_lack, check_usage, run};
use crate::{BANK, CLIENT};

#[test]
fn the_bank_says_what_is_wrong_and_what_helps() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::create_dir(at.join("folder")).unwrap();
    std::fs::write(at.join("empty.json"), "[]").unwrap();
    let opened = run(
        BANK,
        at,
        "open 1 --holder A --pin 4711 --pin-cost least --data bank",
    );
    assert!(opened.status.success(), "{opened:?}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let in_use = format!("failed to listen on {taken}: Address already in use");
    let document = "write {\"rg\":\"1111111111\",\"nome\":\"Antonio\",\"saldo\":10.00,\"pin\":\"1234\"}, for the first accounts in a list";
    let path = "name another path, or mend its permissions";
    for (words, what, hint) in [
        (
            format!("--listen {taken}"),
            &*in_use,
            "is it running already? Otherwise choose another address with --listen, port 0 takes a free one",
        ),
        (
            format!("--listen 127.0.0.1:0 --http {taken}"),
            &in_use,
            "is it running already? Otherwise choose another address with --http, port 0 takes a free one",
        ),
        (
            "--listen 0.0.0.0:0 --data new".to_owned(),
            "the example accounts with the PIN 1234 are only for this machine",
            "give accounts of your own with --accounts FILE",
        ),
        (
            "--listen 0.0.0.0:0 --pin-cost least".to_owned(),
            "PINs of the least cost are for tests on this machine",
            "leave --pin-cost away",
        ),
        (
            "--listen 127.0.0.1:0 --accounts none --data new".to_owned(),
            "failed to read none: ",
            path,
        ),
        (
            "--listen 127.0.0.1:0 --accounts empty.json --data new".to_owned(),
            "empty.json: there is no account in it",
            document,
        ),
        ("import none --pin 4711".to_owned(), "failed to read none: ", path),
        (
            "import folder --pin 4711".to_owned(),
            "there is no document *.json in folder",
            "name a directory that bank export wrote",
        ),
        (
            "export empty.json --data bank".to_owned(),
            "failed to make empty.json: ",
            path,
        ),
        (
            "open 1 --holder A --pin 4711 --data bank".to_owned(),
            "account 1 cannot be opened or closed: ",
            "check the RG; closed accounts stay closed",
        ),
        (
            "generate --data bank".to_owned(),
            "there is a bank in bank already",
            "name an empty directory with --data",
        ),
    ] {
        check_failure(BANK, at, &words, what, hint);
    }
    let hint = "give it with --pin, or in the environment variable BANK_PIN";
    check_lack(
        BANK,
        at,
        "open 1 --holder A",
        "nobody can be asked for a PIN here",
        hint,
    );
    let hint = "for example --pin 4711";
    check_lack(
        BANK,
        at,
        "open 1 --holder A --pin x",
        "a PIN has 4 to 12 digits",
        hint,
    );
    for (words, what) in [
        (
            "--listen nonsense",
            "'nonsense' for '--listen <ADDR>': not HOST:PORT",
        ),
        (
            "open x --holder A --pin 4711",
            "an account is named by an RG of 1 to 10 digits",
        ),
        ("close x", "an account is named by an RG of 1 to 10 digits"),
        (
            "open 1 --holder A --balance lots",
            "an amount is written as digits, a point and two digits",
        ),
        ("open 1 --pin 4711", "required arguments were not provided"),
        ("audit --pin-cost least", "unexpected argument '--pin-cost'"),
        ("nonsense", "unrecognized subcommand 'nonsense'"),
    ] {
        check_usage(BANK, at, words, what);
    }
}

#[test]
fn the_client_says_what_is_wrong_and_what_helps() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("empty"), "").unwrap();
    let file = "name a file whose first line is the PIN";
    let balance = "balance --account 1";
    for (words, what, hint) in [
        ("--pin-file none", "failed to read none: ", file),
        ("--pin-file empty", "the first line of empty is empty", file),
    ] {
        check_failure(CLIENT, at, &format!("{balance} {words}"), what, hint);
    }
    check_lack(
        CLIENT,
        at,
        "balance",
        "a command needs an account",
        "name it: --account 1111111111",
    );
    let hint = "give it with --pin-file, in the environment variable BANK_PIN, or as a line on stdin";
    check_lack(CLIENT, at, balance, "there is no PIN", hint);
    for (words, what) in [
        (
            "balance --account x",
            "an account is named by an RG of 1 to 10 digits",
        ),
        (
            "--server nonsense",
            "'nonsense' for '--server <ADDR>': not HOST:PORT",
        ),
        ("balanc", "'balanc' for '[ADDR]': no command, and not HOST:PORT"),
        (
            "withdraw lots --account 1",
            "an amount is written as digits, a point and two digits",
        ),
        ("transfer 1 --account 1", "required arguments were not provided"),
        ("statement --limit 0 --account 1", "0 is not in 1.."),
    ] {
        check_usage(CLIENT, at, words, what);
    }
}
