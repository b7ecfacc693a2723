//! Finding events, and seeing all of them at once.

use browser::{Browser, Key};

use super::group::Group;

#[test]
fn events_are_found_and_visited_one_after_the_other() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    group.plays_session(&page);
    page.fill("#find", "FINAL");
    page.sees("#find-state", "3 found");
    page.until("document.querySelectorAll('.event.found').length === 3");
    for (place, pointed) in [
        ("1 of 3", "P3 at 5 sends “Mensagem final de P3”"),
        ("2 of 3", "P1 at 6 delivers “Mensagem final de P3” from P3"),
        ("3 of 3", "P2 at 6 delivers"),
        ("1 of 3", "P3 at 5 sends"),
    ] {
        page.press(Key::Enter);
        page.sees("#find-state", place);
        page.sees("#pointed", pointed);
    }
    page.press(Key::Shift + Key::Enter);
    page.sees("#find-state", "3 of 3");
    page.screenshot("multicast-find");
    // What comes later is found too; a stamp and a process are found by what they are.
    group.sends(1, "really final");
    page.sees("#find-state", "of 6");
    page.fill("#find", "p2");
    // The event with the cursor is one of them.
    page.sees("#find-state", "4 of 5");
    page.until(
        "[...document.querySelectorAll('.event.found')].every((mark) => mark.dataset.id.startsWith('P2/'))",
    );
    page.press(Key::Escape);
    page.until("document.querySelectorAll('.event.found').length === 0");
    page.has_no_complaint();
}

#[test]
fn all_of_a_run_is_brought_into_sight() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    let texts: Vec<String> = (0..40).map(|n| format!("message {n}")).collect();
    group.sends_all(2, &texts);
    page.sees("#events", "123 events");
    assert!(page.texts(".marks .event").len() < 123);
    page.click("#fit");
    page.until("document.querySelectorAll('.marks .event').length === 123");
    page.until(
        "document.querySelector('#scroller').scrollWidth <= document.querySelector('#scroller').clientWidth",
    );
}

/// A message is heard once; a clock that ticks with every event is not heard at all.
#[test]
fn a_screen_reader_hears_what_matters() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    page.sees("#empty", "No message yet");
    group.plays_session(&page);
    page.misses("#empty");
    page.evaluate("document.querySelector('#scroller').focus()");
    page.press(Key::Home + Key::Right + Key::Enter);
    page.sees(
        "#lit",
        "Lit: P1 at 1 sends “Olá a todos!”; 1 before it, 8 after it, 2 concurrent",
    );
    let live = page.evaluate(
        "[...document.querySelectorAll('[aria-live], [role=status], [role=log], [role=alert], output')] \
         .filter((region) => region.getAttribute('aria-live') !== 'off').map((region) => region.id).sort()",
    );
    let expected = [
        "find-state",
        "lit",
        "pointed",
        "send-state",
        "state",
        "summary",
        "waits",
    ];
    assert_eq!(live, serde_json::json!(expected));
}
