//! Whatever people say, and whatever a hub says, stays text.

use browser::{Browser, HOSTILE};
use serde_json::json;

use super::{deceived, hears, hub, join, joined, says};

#[test]
fn nothing_that_people_say_becomes_part_of_a_page() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    let bia = joined(&browser, &hub, "Bia");
    for hostile in HOSTILE {
        says(&ana, hostile);
        hears(&ana, &format!("Ana: {hostile}"));
        hears(&bia, &format!("Ana: {hostile}"));
        // As a room, as a name, as an addressee, as a command: refused, and the refusal says it.
        for command in ["/enter", "/nick", "/", "/msg"] {
            says(&ana, &format!("{command} {hostile}"));
        }
        ana.sees("#log", "not sent: ");
        ana.click("#rooms li:nth-child(1) button");
    }
    says(&ana, "that was it");
    hears(&bia, "Ana: that was it");
    bia.reload();
    join(&bia, "Bia");
    bia.sees("#log", HOSTILE[0]);
    for page in [&ana, &bia] {
        page.has_only_text();
    }
}

/// A hub lets no such name in; a page must not rely on it.
#[test]
fn nothing_that_a_hub_says_becomes_part_of_a_page() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    for hostile in HOSTILE {
        let page = deceived(&browser, &hub);
        let said =
            json!({"event": "said", "room": hostile, "seq": 1, "from": hostile, "text": hostile, "at": 1});
        let refusal = json!({"error": {"code": hostile, "message": hostile, "hint": hostile}});
        let answers = json!({
            "join": {"ok": {"name": hostile, "room": hostile, "seq": 2, "members": 1, "token": hostile}},
            "who": {"ok": {"room": hostile, "members": [hostile, "Bia"], "more": false}},
            "history": {"ok": {"room": hostile, "events": [said], "more": true}},
            "rooms": {"ok": {"rooms": [{"room": hostile, "members": 1, "seq": 1}], "more": false}},
            "tell": refusal,
            "enter": refusal,
        });
        page.evaluate_with("window.answers = arguments[0];", vec![answers]);
        join(&page, "Ana");
        for shown in ["#room-name", "#rooms", "#people", "#log"] {
            page.sees(shown, hostile);
        }
        let events = [
            json!({"event": "said", "room": hostile, "seq": 3, "from": hostile, "text": hostile, "at": 1}),
            json!({"event": "entered", "room": hostile, "seq": 4, "name": hostile, "at": 1}),
            json!({"event": "renamed", "room": hostile, "seq": 5, "name": hostile, "to": hostile, "at": 1}),
            json!({"event": "left", "room": hostile, "seq": 6, "name": hostile, "reason": hostile, "at": 1}),
            json!({"event": hostile, "room": hostile, "seq": 7, "at": 1}),
            json!({"event": "lagged", "room": hostile, "missed": hostile}),
            json!({"event": "lagged", "room": "where nobody is", "missed": 1}),
            json!({"event": "told", "from": hostile, "text": hostile, "at": 1}),
            json!({"event": "error", "code": hostile, "message": hostile, "hint": hostile}),
        ];
        for event in events {
            page.evaluate_with("window.tell(arguments[0]);", vec![event]);
        }
        page.sees("#rooms", &format!("@{hostile}"));
        // The rooms that the hub knows, and its refusals.
        page.click("#enter-room");
        page.until("document.querySelector('#known-rooms option')");
        says(&page, "/enter elsewhere");
        says(&page, "/msg Bia hello");
        page.sees("#log", "not sent: ");
        page.has_only_text();
    }
}

/// Any page on the web may try to speak to a server on this machine.
#[test]
fn a_foreign_page_gets_no_connection() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let opens = "return new Promise((done) => {
        const socket = new WebSocket(arguments[0].replace('http', 'ws') + 'ws');
        socket.onopen = () => done('open');
        socket.onclose = () => done('refused');
    });";
    for (url, expected) in [(hub.page(), "open"), ("data:text/html,<p>elsewhere", "refused")] {
        let page = browser.open(url);
        let outcome = page.evaluate_with(opens, vec![json!(hub.page())]);
        assert_eq!(outcome, expected, "from {url}");
    }
    assert!(hub.log().contains("the origin is another page"), "{}", hub.log());
}
