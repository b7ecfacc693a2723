//! Documents of accounts that are not as they should be, or come too late.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use crate::mistakes::check_failure;
use crate::{BANK, done};

const HINT: &str = "write {\"rg\":\"1111111111\",\"nome\":\"Antonio\",\"saldo\":10.00,\"pin\":\"1234\"}, for the first accounts in a list";

#[test]
fn what_cannot_be_imported_is_told_with_what_helps() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir(at.join("odd")).unwrap();
    let check = |document: &[u8], what: &str, hint: &str| {
        fs::write(at.join("odd/1.json"), document).unwrap();
        check_failure(BANK, at, "import odd --pin 4711 --pin-cost least", what, hint);
    };
    check(
        b"{\"rg\":\"1\",\"nome\":\"\xff\",\"saldo\":1}",
        "odd/1.json: invalid unicode code point",
        HINT,
    );
    check(
        b"[\"1\",\"A\",1,\"4711\"]",
        "odd/1.json: invalid type: sequence, expected an object",
        HINT,
    );
    let all = b"{\"rg\":\"1\",\"nome\":\"A\",\"saldo\":92233720368547758.07}";
    fs::write(
        at.join("odd/2.json"),
        String::from_utf8_lossy(all).replace("\"1\"", "\"2\""),
    )
    .unwrap();
    check(
        all,
        "account 2 cannot be opened or closed: a balance would pass what an account can hold",
        "all accounts together hold 92233720368547758.07 at most",
    );
    assert!(done(at, "audit").contains("\"entries\":0"), "none was opened");
}

#[test]
fn accounts_for_a_bank_that_has_some_are_told_not_to_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    done(at, "open 1 --holder A --pin 4711 --pin-cost least");
    let mut server = Command::new(BANK)
        .current_dir(at)
        .args(["--listen", "127.0.0.1:0", "--accounts", "late.json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    server.kill().unwrap();
    let mut said = String::new();
    server.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    server.wait().unwrap();
    assert!(
        said.contains("the bank has accounts; the file of first ones is not read")
            && said.contains("late.json"),
        "{said}"
    );
}
