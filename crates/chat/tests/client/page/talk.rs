use std::process::Command;

use browser::{Browser, Screen, Service};

use super::super::support::Person;
use super::{enter, hears, hub, joined, said, says};

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
    hears(&bia, "Ana: Olá, from a page");
    caio.enters("and from a terminal");
    for page in [&ana, &bia] {
        hears(page, "Caio: and from a terminal");
        page.has_no_complaint();
    }
    // Privately, both ways.
    caio.enters("/msg Ana psst");
    ana.sees("#rooms button:has(.unread.urgent)", "@Caio");
    ana.click("#rooms li:nth-child(2) button");
    hears(&ana, "Caio: psst");
    says(&ana, "I hear you");
    caio.sees("[Ana to you, privately]: I hear you");
    assert_eq!(said(&ana), ["Caio: psst", "Ana: I hear you"]);
    assert!(!bia.texts("#log").concat().contains("psst"));
    caio.enters("sair");
    caio.ends();
    bia.sees("#log", "Caio left");
    ana.click("#rooms li:nth-child(1) button");
    ana.screenshot("chat");
}

#[test]
fn rooms_are_read_and_marked_unread() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    let bia = joined(&browser, &hub, "Bia");
    for page in [&ana, &bia] {
        enter(page, "garden");
    }
    ana.sees("#people", "Bia");
    ana.click("#rooms li:nth-child(1) button");
    ana.sees("#room-name", "lobby");
    for text in ["one", "two", "three"] {
        says(&bia, text);
    }
    ana.sees("#rooms li:nth-child(2) .unread", "3");
    ana.until("document.title.startsWith('(3) lobby')");
    ana.screenshot("chat-unread");
    ana.on(Screen::PHONE);
    ana.click("#open-side");
    ana.picture("chat-rooms-phone");
    ana.on(Screen::DESKTOP);
    ana.click("#rooms li:nth-child(2) button");
    assert_eq!(said(&ana), ["Bia: one", "Bia: two", "Bia: three"]);
    ana.misses(".unread");
    // Leaving the room; what is said there now is not heard.
    ana.click("#leave-room");
    ana.sees("#room-name", "lobby");
    bia.sees("#log", "Ana left");
    assert_eq!(ana.texts("#rooms li").len(), 1);
}

#[test]
fn history_is_there_after_a_reload() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    let texts: Vec<String> = (1..=60).map(|number| format!("line {number}")).collect();
    for text in &texts {
        says(&ana, text);
    }
    ana.until("document.querySelectorAll('#log .own:not(.pending)').length === 60");
    ana.reload();
    super::join(&ana, "Ana");
    let expected: Vec<String> = texts.iter().map(|text| format!("Ana: {text}")).collect();
    ana.sees("#log", "line 60");
    assert!(expected.ends_with(&said(&ana)), "{:?}", said(&ana));
    ana.click("#older");
    ana.until("document.querySelectorAll('#lines .own').length === 60");
    assert_eq!(said(&ana), expected);
    ana.misses("#older");
}
