//! The page in a headless browser. Pictures of what is left at the end of a test are in `target/browser/`.
//!
//! ```text
//! cargo test -p chat --test client page
//! ```

mod injection;
mod reconnection;
mod talk;

use std::path::Path;

use browser::{Browser, Key, Page, Service};

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

fn says(page: &Page, text: &str) {
    page.fill("#text", text);
    page.press(Key::Enter);
}

/// What was said in the room that is shown, without the times.
fn said(page: &Page) -> Vec<String> {
    let lines = page.evaluate(
        "[...document.querySelectorAll('#log li:not(.notice)')].map((line) => \
         [...line.childNodes].filter((part) => part.tagName !== 'TIME').map((part) => part.textContent).join(''))",
    );
    serde_json::from_value(lines).expect("texts")
}
