//! The page as a client of its peer: what it sends arrives once, and it comes back after a loss.

use std::time::{Duration, Instant};

use browser::{Browser, Key, Page};
use lamport::trace::TraceEvent;

use super::group::Group;

fn sends(page: &Page, text: &str) {
    page.fill("#text", text);
    page.press(Key::Enter);
}

#[test]
fn what_the_page_sends_is_delivered_once_at_each() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let pages: Vec<Page> = (1..=3).map(|n| group.page(&browser, n)).collect();
    let long = format!("a long one: {}", "é ".repeat(400));
    for text in ["from the page", &long] {
        sends(&pages[0], text);
    }
    pages[0].sees("#send-state", "sent at 2");
    for page in &pages {
        page.until("document.querySelectorAll('#deliveries li').length === 2");
        page.until("document.querySelectorAll('.event').length === 9");
        page.sees("#deliveries", "from the page");
        page.sees("#deliveries", long.trim_end());
        page.has_no_complaint();
    }
    let events = group.traced(9);
    let sent = events.iter().find(|event| event.label == "from the page");
    let message = &sent.expect("P1 sent it").message;
    for process in ["P1", "P2", "P3"] {
        let of = |event: &&TraceEvent<'_>| *event.process == *process && event.message == *message;
        assert_eq!(events.iter().filter(of).count(), 1, "{process}");
    }
}

#[test]
fn the_page_follows_members_over_their_death_and_its_own_peers() {
    follows_over_death(&[]);
}

#[test]
fn the_page_follows_durable_members_over_their_death() {
    follows_over_death(&["--durable"]);
}

#[track_caller]
fn follows_over_death(flags: &[&str]) {
    let Some(browser) = Browser::start() else { return };
    let mut group = Group::start(flags);
    let page = group.page(&browser, 1);
    group.plays_session(&page);
    let of =
        |process: &str| format!("document.querySelectorAll(`.marks .event[data-id^='{process}/']`).length");

    group.peers[1].kill();
    page.until("document.querySelectorAll('.member.away').length === 1");
    page.sees("#members", "away, its events are not told");
    group.sends(3, "P2 does not hear this");
    page.until(&format!("{} === 5 && {} === 5", of("P1"), of("P3")));
    group.peers[1].start_again();
    page.until("document.querySelectorAll('.member.away').length === 0");
    page.until("[...document.querySelectorAll('.gap')].some((gap) => gap.textContent === 'new life')");
    group.sends(2, "P2 is back");
    page.sees("#deliveries", "P2 is back");

    // Its own peer: the page goes on with what it has, and takes nothing twice.
    page.until(&format!("{} === 6", of("P3")));
    group.peers[0].kill();
    page.sees("#state", "connection lost");
    group.peers[0].start_again();
    page.sees("#state", "live");
    let lives = "new Set([...document.querySelectorAll(`.marks .event[data-id^='P1/']`)]\
                 .map((mark) => mark.dataset.id.split('/')[1])).size";
    page.until(&format!("{lives} === 2"));
    let ids = page.evaluate("[...document.querySelectorAll('.marks .event')].map((mark) => mark.dataset.id)");
    let mut ids: Vec<String> = serde_json::from_value(ids).expect("identities");
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an event is drawn twice");
    assert_eq!(page.evaluate(&of("P3")), 6, "P3 did nothing meanwhile");
    sends(&page, "and so is P1");
    page.sees("#deliveries li:last-child", "and so is P1");
    let delivered = page.texts("#deliveries bdi");
    for text in ["Olá a todos!", "P2 is back", "and so is P1"] {
        assert_eq!(
            delivered.iter().filter(|shown| *shown == text).count(),
            1,
            "{text}: {delivered:?}"
        );
    }
    page.screenshot("multicast-lives");
    page.has_no_complaint();
}

#[test]
fn monitoring_sees_the_peers_figures() {
    let group = Group::start(&[]);
    let address = group.peers[0]
        .page()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let get = |path: &str| {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&address).expect("the page listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(get("/healthz").ends_with("ok\n"));
    group.sends(1, "one");
    let expected = [
        "multicast_sent_total 1",
        "multicast_delivered_total 1",
        "multicast_members_up 2",
    ];
    let until = Instant::now() + Duration::from_secs(20);
    while !expected.iter().all(|line| get("/metrics").contains(line)) {
        assert!(Instant::now() < until, "{}", get("/metrics"));
        std::thread::sleep(Duration::from_millis(50));
    }
}
