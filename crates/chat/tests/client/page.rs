//! The page in a headless browser. Pictures of what is left at the end of a test are in `target/browser/`.
//!
//! ```text
//! cargo test -p chat --test client page
//! ```

use std::path::Path;
use std::process::Command;

use browser::{Browser, Key, Page, Service};

use super::support::Person;

/// A hub with a page, storing in `dir`.
fn hub(dir: &Path) -> Service {
    let dir = dir.display().to_string();
    let flags = ["--listen", "127.0.0.1:0", "--flood-rate", "0", "--data", &dir];
    Service::start(env!("CARGO_BIN_EXE_chat"), &flags)
}

/// Somebody who joins at a page.
fn joined(browser: &Browser, hub: &Service, name: &str) -> Page {
    let page = browser.open(hub.page());
    page.fill("#join [name=name]", name);
    page.click("#join button");
    page.sees("#state", "connected");
    page
}

fn says(page: &Page, text: &str) {
    page.fill("#text", text);
    page.press(Key::Enter);
}

fn at_terminal(hub: &Service, name: &str) -> Person {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    command
        .args([hub.address(), "--name", name])
        .env("TERM", "xterm-256color");
    let mut person = Person::run(command);
    person.sees(&format!("You are {name} in lobby"));
    person
}

#[test]
fn two_pages_talk_with_somebody_at_a_terminal() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    let bia = joined(&browser, &hub, "Bia");
    let mut caio = at_terminal(&hub, "Caio");
    ana.sees("#log", "Caio entered");
    ana.sees("#people", "Caio");

    says(&ana, "Olá, from a page");
    caio.sees("[Ana]: Olá, from a page");
    bia.sees("#log", "Ana: Olá, from a page");
    caio.enters("and from a terminal");
    for page in [&ana, &bia] {
        page.sees("#log", "Caio: and from a terminal");
    }
    ana.screenshot("chat");
    ana.has_no_complaint();
    bia.has_no_complaint();
}
