//! A hub that goes away and comes back: nothing is missed and nothing is twice.

use browser::{Browser, Script};
use serde_json::{Value, json};

use super::{answers, deceived, hears, hub, join, joined, said, says};

#[test]
fn a_page_comes_back_without_a_gap_or_a_double() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let mut hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    let bia = browser.blank();
    bia.before_load(Script::Deaf);
    bia.goes_to(hub.page());
    join(&bia, "Bia");
    says(&ana, "before");
    hears(&bia, "Ana: before");
    // Stored, and neither its answer nor what others say reaches the page.
    bia.evaluate("window.deaf = true");
    says(&bia, "said and not answered");
    hears(&ana, "Bia: said and not answered");
    says(&ana, "heard by the others");
    ana.until("document.querySelectorAll('#log .pending').length === 0");
    bia.sees("#log .pending", "said and not answered");
    hub.stop();
    for page in [&ana, &bia] {
        page.sees("#state", "trying again");
    }
    bia.evaluate("window.deaf = false");
    says(&bia, "said while nobody listened");
    hub.start_again();
    for page in [&ana, &bia] {
        page.sees("#state", "connected");
        page.sees("#log", "said while nobody listened");
        page.until("document.querySelectorAll('#log .pending').length === 0");
    }
    let lines = [
        "Ana: before",
        "Ana: heard by the others",
        "Bia: said and not answered",
        "Bia: said while nobody listened",
    ];
    for page in [&ana, &bia] {
        let mut seen = said(page);
        seen.sort();
        assert_eq!(seen, lines);
        page.has_no_complaint();
    }
}

/// What was said and not answered may lie in the hole: said again by itself it would perhaps stand there twice.
#[test]
fn where_the_replay_has_a_hole_a_person_decides_what_is_said_again() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let mut hub = hub(dir.path());
    let bia = browser.blank();
    bia.before_load(Script::Deaf);
    bia.goes_to(hub.page());
    join(&bia, "Bia");
    // Further than the two of them come when they enter anew.
    for text in ["one", "two", "three"] {
        says(&bia, text);
    }
    bia.until("document.querySelectorAll('#log .own:not(.pending)').length === 3");
    bia.evaluate("window.deaf = true");
    says(&bia, "said and forgotten");
    let ana = joined(&browser, &hub, "Ana");
    hears(&ana, "Bia: said and forgotten");
    hub.stop();
    std::fs::remove_dir_all(dir.path()).expect("the hub is gone");
    bia.evaluate("window.deaf = false");
    hub.start_again();
    bia.sees(
        "#log .trouble",
        "perhaps not sent: not all of what was said meanwhile is kept",
    );
    ana.sees("#state", "connected");
    // The numbers begin anew, and what is said under them is heard.
    says(&ana, "a new beginning");
    hears(&bia, "Ana: a new beginning");
    says(&bia, "so it is");
    hears(&ana, "Bia: so it is");
}

#[test]
fn a_page_that_is_refused_for_now_comes_back_later() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let page = deceived(&browser, &hub);
    let welcome = answers()["join"].clone();
    let answers = |join: Value| {
        let mut answers = answers();
        answers["join"] = join;
        page.evaluate_with("window.answers = arguments[0]; window.asked = [];", vec![answers]);
    };
    let refusal = |code: &str| json!({"error": {"code": code, "message": "not now", "hint": "wait"}});
    let joins = "window.asked.filter((request) => request.op === 'join' && request.token === 't').length";
    answers(welcome.clone());
    join(&page, "Ana");
    page.sees("#state", "connected");
    answers(refusal("name_taken"));
    page.evaluate("window.impostor.close()");
    page.until(&format!("{joins} >= 2"));
    page.sees("#state", "not now, trying again");
    answers(welcome);
    page.until("document.querySelector('#state').textContent === 'connected'");
    // What does not pass is not asked for again.
    answers(refusal("name_protected"));
    page.evaluate("window.impostor.close()");
    page.sees("#log", "could not come back: not now (wait)");
    page.until("document.querySelector('#state').textContent === 'not connected'");
}

/// Coming back with its token, the one would take the name from the other, who would take it back with the password.
#[test]
fn a_page_whose_name_was_taken_over_stays_away() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let first = joined(&browser, &hub, "Ana");
    says(&first, "/register correct horse battery");
    first.sees("#log", "your name is protected by that password now");
    let second = browser.open(hub.page());
    second.fill("#join [name=password]", "correct horse battery");
    join(&second, "Ana");
    first.until("document.querySelector('#state').textContent === 'not connected'");
    says(&second, "now from here");
    second.until("document.querySelectorAll('#log .own:not(.pending)').length === 1");
    let sockets = first.requests().into_iter().filter(|url| url.starts_with("ws:"));
    assert_eq!(sockets.count(), 1, "it tried to come back");
}
