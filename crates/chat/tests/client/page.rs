//! The page in a headless browser. Pictures of what is left at the end of a test are in `target/browser/`.
//!
//! ```text
//! cargo test -p chat --test client page
//! ```

mod injection;
mod reading;
mod reconnection;
mod talk;

use std::path::Path;

use browser::{Browser, Key, Page, Script, Service};
use serde_json::{Value, json};

/// A hub with a page, storing in `dir`.
fn hub(dir: &Path) -> Service {
    let dir = dir.display().to_string();
    let flags = ["--listen", "127.0.0.1:0", "--flood-rate", "0", "--data", &dir];
    Service::start(env!("CARGO_BIN_EXE_chat"), &flags)
}

/// Somebody who joins the lobby at a page.
fn joined(browser: &Browser, hub: &Service, name: &str) -> Page {
    let page = browser.open(hub.page());
    join(&page, name);
    page
}

fn join(page: &Page, name: &str) {
    page.fill("#join [name=name]", name);
    page.click("#join button");
    page.sees("#state", "connected");
}

fn enter(page: &Page, room: &str) {
    says(page, &format!("/enter {room}"));
    page.sees("#room-name", room);
}

/// A page that speaks to an impostor instead of its hub; what it is answered has to be said first.
fn deceived(browser: &Browser, hub: &Service) -> Page {
    let page = browser.blank();
    page.before_load(Script::Impostor);
    page.goes_to(hub.page());
    page
}

/// What a hub answers that lets Ana in.
fn answers() -> Value {
    json!({
        "join": {"ok": {"name": "Ana", "room": "lobby", "seq": 2, "members": 1, "token": "t"}},
        "who": {"ok": {"room": "lobby", "members": ["Ana"], "more": false}},
        "history": {"ok": {"room": "lobby", "events": [], "more": false}},
    })
}

fn says(page: &Page, text: &str) {
    page.fill("#text", text);
    page.press(Key::Enter);
}

/// Waits until somebody has said this in the room that is shown: `Ana: hello`.
#[track_caller]
fn hears(page: &Page, line: &str) {
    page.until(&format!("{SAID}.some((line) => line.includes({}))", json!(line)));
}

/// What was said in the room that is shown, without the times.
fn said(page: &Page) -> Vec<String> {
    serde_json::from_value(page.evaluate(SAID)).expect("texts")
}

const SAID: &str = "[...document.querySelectorAll('#lines li:not(.notice)')].map((line) => \
     `${line.querySelector('.from').textContent}: ${line.querySelector('.text').textContent}`)";
