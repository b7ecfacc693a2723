//! Reading and writing by keyboard, away from the end of the log, and when something did not go as it should.

use browser::{Browser, Key};
use serde_json::json;

use super::{answers, deceived, enter, hears, hub, join, joined, said, says};

#[test]
fn the_focus_stays_on_a_room_while_messages_arrive() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    let bia = joined(&browser, &hub, "Bia");
    for page in [&ana, &bia] {
        enter(page, "garden");
    }
    ana.click("#rooms li:nth-child(1) button");
    ana.sees("#room-name", "lobby");
    ana.evaluate("document.querySelector('#rooms li:nth-child(2) button').focus()");
    says(&bia, "one");
    says(&bia, "two, and what says Ana?");
    ana.sees("#rooms li:nth-child(2) .unread.urgent", "2");
    ana.press(Key::Enter);
    ana.sees("#room-name", "garden");
    ana.sees(".first-unread", "one");
    ana.sees(".mention", "two, and what says Ana?");
    // Ready to answer, over two lines.
    ana.press("I say");
    ana.press(Key::Shift + Key::Enter);
    ana.press("this" + Key::Enter);
    hears(&bia, "Ana: I say\nthis");
}

#[test]
fn who_reads_further_up_is_not_carried_away() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    let bia = joined(&browser, &hub, "Bia");
    says(&bia, &format!("{}the end", "a line\n".repeat(60)));
    hears(&ana, "the end");
    ana.misses("#latest");
    ana.evaluate("document.querySelector('#log').scrollTop = 0");
    ana.sees("#latest", "Latest");
    says(&bia, "the last one");
    ana.sees("#latest", "1 new");
    assert_eq!(ana.evaluate("document.querySelector('#log').scrollTop"), 0);
    ana.screenshot("chat-further-up");
    ana.click("#latest");
    ana.misses("#latest");
    // What comes next is followed again; there is one name above what one person says.
    says(&bia, "followed");
    hears(&ana, "Bia: followed");
    ana.misses("#latest");
    assert_eq!(ana.texts("#lines .together .text"), ["the last one", "followed"]);
}

#[test]
fn an_address_is_a_link_and_nothing_else_is() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let ana = joined(&browser, &hub, "Ana");
    says(
        &ana,
        "see https://example.org/a?b=c#d, (http://127.0.0.1/x). javascript:owned=1 ftp://x https://",
    );
    let links = ana.evaluate("[...document.querySelectorAll('#lines a')].map((link) => [link.getAttribute('href'), link.textContent, link.rel])");
    let expected = ["https://example.org/a?b=c#d", "http://127.0.0.1/x"];
    assert_eq!(
        links,
        json!(expected.map(|url| [url, url, "noopener noreferrer"]))
    );
    ana.has_only_text();
}

#[test]
fn what_was_not_sent_is_sent_again_when_asked_to() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let page = deceived(&browser, &hub);
    let mut answers = answers();
    answers["say"] = json!({"error": {"code": "rate_limited", "message": "too fast", "hint": "wait"}});
    page.evaluate_with("window.answers = arguments[0];", vec![answers]);
    join(&page, "Ana");
    page.until("document.querySelector('#lines').dataset.empty === 'Nobody has said anything here yet.'");
    says(&page, "hello");
    page.sees("#lines .note", "not sent: too fast (wait)");
    page.screenshot("chat-not-sent");
    page.evaluate("window.answers.say = { ok: { room: 'lobby', seq: 3 } }");
    page.click("#lines .note button");
    page.until("document.querySelectorAll('#lines .own:not(.pending, .trouble)').length === 1");
    assert_eq!(said(&page), ["Ana: hello"]);
    page.misses("#lines .note");
}

#[test]
fn the_door_says_that_the_chat_is_away_and_opens_when_it_is_back() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let mut hub = hub(dir.path());
    let page = browser.open(hub.page());
    hub.stop();
    page.fill("#join [name=name]", "Ana");
    page.press(Key::Enter);
    page.sees("#join-error", "The chat cannot be reached. Try again.");
    hub.start_again();
    join(&page, "Ana");
    // And back to the door.
    says(&page, "sair");
    page.sees("#join", "Join the chat");
    join(&page, "Ana");
}

#[test]
fn nobody_has_to_wait_for_the_next_try() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let hub = hub(dir.path());
    let page = deceived(&browser, &hub);
    page.evaluate_with("window.answers = arguments[0];", vec![answers()]);
    join(&page, "Ana");
    // The page waits for ever, unless it is told not to.
    page.evaluate("window.setTimeout = () => 0");
    page.evaluate("window.impostor.onclose()");
    page.sees("#state", "connection lost, trying again");
    page.screenshot("chat-lost");
    page.evaluate("window.setTimeout = (work) => queueMicrotask(work)");
    page.click(".waiting button");
    page.until("document.querySelector('#state').textContent === 'connected'");
    page.misses(".waiting");
    // The button is gone; who pressed it is not left nowhere.
    assert_eq!(page.evaluate("document.activeElement.id"), "state");
}
