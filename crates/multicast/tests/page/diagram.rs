//! The diagram shows what happened, and lights what may have caused it.

use std::collections::BTreeMap;

use browser::{Browser, Key, Page};
use lamport::check::{Check, Merge, Options, Rule};
use lamport::trace::Kind;
use serde_json::json;

use super::before::{Before, Place};
use super::group::Group;

/// What is drawn: for each event its process, its place on the line and its stamp, in Lamport's order.
fn drawn(page: &Page) -> Vec<(String, u64)> {
    let marks = page.evaluate(
        "[...document.querySelectorAll('.marks .event')].map((mark) => [mark.dataset.id.split('/')[0], Number(mark.querySelector('.stamp').textContent)])",
    );
    let mut marks: Vec<(String, u64)> = serde_json::from_value(marks).expect("marks");
    marks.sort_by_key(|(process, stamp)| (*stamp, process.clone()));
    marks
}

#[test]
fn the_session_of_the_three_grows_on_the_page_with_its_stamps() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    group.plays_session(&page);
    let expected = [
        ("P1", 0),
        ("P2", 0),
        ("P3", 0),
        ("P1", 1),
        ("P2", 2),
        ("P3", 2),
        ("P2", 3),
        ("P1", 4),
        ("P3", 4),
        ("P3", 5),
        ("P1", 6),
        ("P2", 6),
    ];
    assert_eq!(
        drawn(&page),
        expected.map(|(process, stamp)| (process.to_owned(), stamp))
    );
    assert_eq!(
        page.texts(".arrows path").len(),
        6,
        "each message reaches the two others"
    );
    assert_eq!(
        page.texts(".marks .label")
            .into_iter()
            .filter(|label| !label.is_empty())
            .collect::<Vec<_>>(),
        ["Olá a todos!", "Como vocês estão?", "Mensagem final de P3"]
    );
    page.sees("#clock", "6");
    page.sees("#deliveries", "Mensagem final de P3");
    // Who comes later sees the same.
    let late = group.page(&browser, 3);
    late.until("document.querySelectorAll('.event').length === 12");
    assert_eq!(drawn(&late), drawn(&page));
    page.click("#show-table");
    page.until("document.querySelectorAll('#rows tr').length === 12");
    page.screenshot("multicast-session");
    page.has_no_complaint();
}

/// How every event that is drawn stands to the one that is lit.
fn lit(page: &Page) -> BTreeMap<Place, String> {
    let marks = page.evaluate(
        "[...document.querySelectorAll('.marks .event')].map((mark) => [mark.dataset.id, \
         ['itself', 'before', 'after', 'concurrent'].filter((relation) => mark.classList.contains(relation)).join()])",
    );
    let marks: Vec<(String, String)> = serde_json::from_value(marks).expect("marks");
    let place = |id: String| {
        let parts: Vec<_> = id.split('/').collect();
        (parts[0].to_owned(), parts[2].parse().expect("a number"))
    };
    marks
        .into_iter()
        .map(|(id, relation)| (place(id), relation))
        .collect()
}

/// Clicks where the event of the process `arguments[0]` with the number `arguments[1]` is drawn.
const CLICK: &str = "\
    const mark = document.querySelector(`[data-id^='${arguments[0]}/'][data-id$='/${arguments[1]}'] .shape`).getBoundingClientRect(); \
    const at = { clientX: mark.x + mark.width / 2, clientY: mark.y + mark.height / 2, bubbles: true }; \
    document.elementFromPoint(at.clientX, at.clientY).dispatchEvent(new MouseEvent('click', at)); return null;";

/// Clicks the mark of an event where it is drawn.
fn clicks(page: &Page, (process, number): &Place) {
    page.evaluate_with(CLICK, vec![json!(process), json!(number)]);
}

/// Clicks the mark of an event right after another element, before the browser has shown its next frame.
fn clicks_at_once_after(page: &Page, element: &str, (process, number): &Place) {
    let both = format!("document.querySelector(arguments[2]).click(); {CLICK}");
    page.evaluate_with(&both, vec![json!(process), json!(number), json!(element)]);
}

#[test]
fn a_scripted_run_is_whole_and_a_click_lights_exactly_the_causal_past_and_future() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&["--auto"]);
    let page = group.page(&browser, 2);
    // Three starts, nine messages, each sent once and delivered at two others.
    page.sees("#events", "30 events");
    page.sees("#deliveries", "Mensagem final de P3");
    // More than is in sight is not drawn: all of it is brought into sight.
    assert!(page.texts(".marks .event").len() < 30);
    page.click("#zoom-out");
    page.click("#zoom-out");
    page.until("document.querySelectorAll('.marks .event').length === 30");

    let run = Before::of(group.traced(30));
    // The delivery with the most that is concurrent, to look at.
    let (mut most, mut widest) = (0, None);
    for (place, event) in &run.events {
        clicks(&page, place);
        page.until(&format!(
            "document.querySelector('.event.itself')?.dataset.id.replace(/[/].*[/]/, ' ') === '{} {}'",
            place.0, place.1
        ));
        let expected = run.relations(place);
        let shown = lit(&page);
        let differs: Vec<_> = expected
            .iter()
            .filter(|(event, relation)| shown[*event] != **relation)
            .collect();
        assert!(
            differs.is_empty(),
            "lighting {place:?}: {differs:?} are shown as {shown:?}"
        );
        let concurrent = expected
            .values()
            .filter(|relation| **relation == "concurrent")
            .count();
        if event.kind == Kind::Receive && concurrent > most {
            (most, widest) = (concurrent, Some(place));
        }
    }
    let widest = widest.expect("a run in which everything follows everything shows nothing");
    // A second click on what is lit puts the light out.
    clicks(&page, run.events.keys().next_back().expect("the event lit last"));
    page.until("document.querySelectorAll('.event.itself').length === 0");
    clicks(&page, widest);
    page.sees("#details .beside", &format!("{most} concurrent"));
    page.screenshot("multicast-lit");
    page.has_no_complaint();
}

#[test]
fn a_click_means_what_is_drawn_also_while_the_diagram_moves() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    group.plays_session(&page);
    let sent = ("P1".to_owned(), 2);
    page.evaluate("document.querySelector('#scroller').focus()");
    for element in ["#zoom-in", "#zoom-out", "#zoom-out", "#follow", "#zoom-in"] {
        clicks_at_once_after(&page, element, &sent);
        page.sees("#details .sentence", "P1 at 1 sends “Olá a todos!”");
        page.press(Key::Escape);
        page.until("document.querySelectorAll('.event.itself').length === 0");
    }
    page.has_no_complaint();
}

#[test]
fn the_keyboard_does_all_that_the_pointer_does() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    group.plays_session(&page);
    page.evaluate("document.querySelector('#scroller').focus()");
    page.press(Key::Home);
    page.sees("#pointed", "P1 at 0 starts");
    page.press(Key::Right);
    page.sees("#pointed", "P1 at 1 sends “Olá a todos!”");
    page.press(Key::Down + Key::Right);
    page.sees("#pointed", "P2 at");
    page.press(Key::End);
    page.sees("#pointed", "P2 at 6 delivers “Mensagem final de P3” from P3");
    page.press(Key::Enter);
    page.sees("#details .sentence", "P2 at 6 delivers");
    page.until("document.querySelectorAll('.event.before').length === 9");
    page.press(Key::Escape);
    page.until("document.querySelectorAll('.event.before').length === 0");
    page.has_no_complaint();
}

#[test]
fn what_is_saved_is_a_trace_that_checks_and_a_picture() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    group.plays_session(&page);
    // What the page hands to the browser to save is read instead.
    page.evaluate(
        "(() => { window.saved = []; URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return 'blob:x'; }; \
         HTMLAnchorElement.prototype.click = () => {}; })()",
    );
    page.click("#save-json");
    page.until("saved.length === 1");
    page.click("#save-svg");
    page.until("saved.length === 2");
    let saved: Vec<String> = serde_json::from_value(page.evaluate("saved")).expect("two files");

    let mut merge = Merge::new();
    merge.add("saved", saved[0].as_bytes()).expect("a trace");
    let verdict = merge.check(Check::new(Options::default())).expect("it is read");
    let report = verdict.expect("no rule is broken");
    assert_eq!(
        (
            report.processes,
            report.events,
            report.tested(Rule::ReceiveAfterSend),
            report.tested(Rule::CastOnce)
        ),
        (3, 12, 6, 9)
    );
    assert_eq!(report.dropped, 0);

    let picture = &saved[1];
    assert!(picture.starts_with("<svg"), "{picture}");
    for part in ["<style", "Olá a todos!", "Mensagem final de P3", ">6<", ">P3<"] {
        assert!(picture.contains(part), "the picture lacks {part}");
    }
    page.has_no_complaint();
}

#[test]
fn a_pause_holds_the_diagram_still_and_loses_nothing() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    page.click("#pause");
    group.sends(2, "meanwhile");
    page.sees("#held", "3 waiting");
    assert_eq!(page.texts(".marks .event").len(), 3);
    page.click("#pause");
    page.until("document.querySelectorAll('.event').length === 6");
    page.misses(".gap");
    // A line can be taken out and comes back.
    page.click(".member:first-child");
    page.until("document.querySelectorAll('.marks .event').length === 4");
    page.click(".member:first-child");
    page.until("document.querySelectorAll('.marks .event').length === 6");
    page.has_no_complaint();
}

#[test]
fn in_total_order_deliveries_wait_and_their_messages_are_drawn_all_the_same() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&["--order", "total"]);
    let page = group.page(&browser, 1);
    for (n, text) in ["one", "two", "three"].into_iter().enumerate() {
        group.sends(n + 1, text);
    }
    // Three starts; each message is sent, and delivered at all three, at its sender as an event of its own.
    page.sees("#events", "15 events");
    page.until("document.querySelectorAll('.marks .deliver').length === 9");
    page.until("document.querySelectorAll('.arrows path').length === 6");
    page.sees("#deliveries", "three");
    page.screenshot("multicast-total");
    page.has_no_complaint();
}

#[test]
fn a_crowd_of_events_is_drawn_whole_and_lit() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    let texts: Vec<String> = (0..130).map(|n| format!("message {n}")).collect();
    group.sends_all(2, &texts);
    page.sees("#events", "393 events");
    for _ in 0..10 {
        page.click("#zoom-out");
    }
    let dots = "[...document.querySelectorAll('.crowd .dot')].reduce((sum, path) => sum + path.getAttribute('d').split('M').length - 1, 0)";
    page.until(&format!("{dots} === 393"));
    assert_eq!(page.texts(".marks .event").len(), 0);
    page.evaluate("document.querySelector('#scroller').focus()");
    page.press(Key::Home + Key::Right + Key::Enter);
    // P1's first delivery: its start and P2's first send and start are before it.
    page.sees("#details .sentence", "P1 at 2 delivers “message 0” from P2");
    page.sees("#details .before", "3 before it");
    let lit = |relation: &str| dots.replace(".dot", &format!(".dot.{relation}"));
    page.until(&format!("{} === 3 && {} === 1", lit("before"), lit("itself")));
    assert_eq!(page.texts(".marks .event.itself").len(), 1);
    page.screenshot("multicast-crowd");
    page.has_no_complaint();
}
