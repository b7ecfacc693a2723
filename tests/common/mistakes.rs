//! What a program says to somebody who makes a mistake: for the tests of every program.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a program in `directory`, with an empty environment, where nobody can be asked anything.
pub(crate) fn run(program: &str, directory: &Path, words: &str) -> Output {
    Command::new(program)
        .current_dir(directory)
        .args(words.split_whitespace())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// The program fails with exit code 1, says `what` on one line, and then `hint`, all on stderr.
pub(crate) fn check_failure(program: &str, directory: &Path, words: &str, what: &str, hint: &str) {
    check(program, directory, words, 1, what, &format!("\nhint: {hint}\n"));
}

/// The program does not understand its command line: exit code 2, with `what` in the message and where to find help.
pub(crate) fn check_usage(program: &str, directory: &Path, words: &str, what: &str) {
    check(
        program,
        directory,
        words,
        2,
        what,
        "\nFor more information, try '--help'.\n",
    );
}

/// The program lacks something that its command line alone cannot tell: exit code 2, `what`, and `hint`.
pub(crate) fn check_lack(program: &str, directory: &Path, words: &str, what: &str, hint: &str) {
    check(program, directory, words, 2, what, &format!("\nhint: {hint}\n"));
}

fn check(program: &str, directory: &Path, words: &str, code: i32, what: &str, ending: &str) {
    let output = run(program, directory, words);
    let (data, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(code), "{words}: {told}");
    assert_eq!(data, "", "{words}: data is for stdout, talk is not");
    let first = told.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("error: ") && first.contains(what),
        "{words}: {told}"
    );
    assert!(told.ends_with(ending), "{words}: {told}");
}
