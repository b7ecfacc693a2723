//! Texts stay texts, and only the page itself is answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use browser::{Browser, HOSTILE, Service};

use super::group::Group;

#[test]
fn payloads_are_text_wherever_the_page_shows_them() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    let page = group.page(&browser, 1);
    for (n, text) in HOSTILE.iter().enumerate() {
        group.sends(n % 3 + 1, text);
    }
    // Turned around, erased, broken into lines: shown as what it is.
    group.sends(2, "abc\u{202e}fdp.exe\u{2066} \u{1b}[2J\u{2028}end");
    page.until("document.querySelectorAll('#deliveries li').length === 7");
    page.sees("#events", "24 events");
    page.click("#show-table");
    page.until("document.querySelectorAll('#rows tr').length === 24");
    page.sees("#rows", r"abc\u{202e}fdp.exe\u{2066} \u{1b}[2J\u{2028}end");
    page.sees("#deliveries", r"abc\u{202e}fdp.exe");
    for message in HOSTILE {
        page.sees("#deliveries", message);
    }
    // Lit one by one, each is told in the details.
    for row in 0..24 {
        page.click(&format!("#rows tr:nth-child({}) button", row + 1));
        page.until(&format!(
            "document.querySelectorAll('#rows tr')[{row}].classList.contains('itself')"
        ));
        page.has_only_text();
    }
    let raw = page.evaluate(r"/[\u202a-\u202e\u2066-\u2069\u001b\u2028]/.test(document.body.textContent)");
    assert_eq!(
        raw, false,
        "a character that turns the line around is on the page"
    );

    // As a picture that somebody opens, too.
    page.evaluate(
        "(() => { window.saved = []; URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return 'blob:x'; }; \
         HTMLAnchorElement.prototype.click = () => {}; })()",
    );
    page.click("#save-svg");
    page.until("saved.length === 1");
    // Its style sheet is not for this page, whose policy would refuse it.
    let parsed =
        "new DOMParser().parseFromString(saved[0].replace(/<style>[^]*?<\\/style>/, ''), 'image/svg+xml')";
    assert_eq!(
        page.evaluate(&format!(
            "{parsed}.querySelectorAll('parsererror, img, script, iframe, a, svg svg').length"
        )),
        0
    );
    page.screenshot("multicast-hostile");
    page.has_only_text();
}

/// The status that a request gets.
fn check(peer: &Service, path: &str, headers: &[&str], expected: &str) {
    let host = peer.page().trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).expect("the page listens");
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        request += &format!("Host: {host}\r\n");
    }
    for header in headers {
        request += &format!("{}\r\n", header.replace("OWN", host));
    }
    stream
        .write_all(format!("{request}\r\n").as_bytes())
        .expect("it is sent");
    let mut answer = [0; 4096];
    let mut length = 0;
    while let Ok(bytes @ 1..) = stream.read(&mut answer[length..]) {
        length += bytes;
        if answer[..length].windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(
        answer.contains(expected),
        "{path} {headers:?} is answered with {answer}"
    );
}

#[test]
fn a_foreign_page_gets_nothing() {
    let group = Group::start(&[]);
    let peer = &group.peers[0];
    let upgrade = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let with = |header: &'static str| [&upgrade[..], &[header]].concat();
    check(peer, "/ws", &with("Origin: http://OWN"), " 101 ");
    // Not even the page of another member.
    let other = group.peers[1].page().trim_end_matches('/');
    let other: &'static str = Box::leak(format!("Origin: {other}").into_boxed_str());
    check(peer, "/ws", &with(other), " 403 ");
    check(peer, "/ws", &with("Origin: http://evil.example"), " 403 ");
    check(peer, "/ws", &upgrade, " 403 ");
    check(peer, "/", &["Host: evil.example"], " 403 ");
    check(
        peer,
        "/",
        &[],
        "content-security-policy: default-src 'none'; script-src 'self'",
    );
    check(peer, "/healthz", &[], " 200 ");
}
