//! How many frames a second the page draws while the group is busy.

#![expect(clippy::print_stdout, reason = "a measurement shows its figures")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use browser::{Browser, Screen};

use super::group::Group;

/// Messages a second: each is sent once and delivered at two others, so 201 events.
const MESSAGES_PER_SECOND: u32 = 67;

/// How long frames are counted.
const SECONDS: u32 = 10;

#[test]
#[ignore = "a measurement of 50 s: cargo test -p multicast --test page frames -- --ignored --nocapture"]
fn frames_a_second_at_two_hundred_events() {
    let Some(browser) = Browser::start() else { return };
    let group = Group::start(&[]);
    for (name, screen) in [("desktop", Screen::DESKTOP), ("phone", Screen::PHONE)] {
        let page = group.page(&browser, 1);
        page.on(screen);
        for axis in ["logical", "clock"] {
            page.evaluate_with(
                "const axis = document.querySelector('#axis'); axis.value = arguments[0]; axis.dispatchEvent(new Event('change')); \
                 window.frames10 = { count: 0, longest: 0, events: document.querySelector('#events').textContent }; let last = performance.now(); \
                 const end = last + 1000 * arguments[1]; \
                 const count = (now) => { frames10.count += 1; frames10.longest = Math.max(frames10.longest, now - last); last = now; \
                 if (now < end) requestAnimationFrame(count); else frames10.isDone = true; }; requestAnimationFrame(count); return null;",
                vec![axis.into(), SECONDS.into()],
            );
            let mut sender = Command::new(env!("CARGO_BIN_EXE_multicast-client"))
                .args([group.peers[1].address(), "send"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("multicast-client runs");
            let mut lines = sender.stdin.take().expect("piped");
            let start = Instant::now();
            for n in 0..MESSAGES_PER_SECOND * SECONDS {
                writeln!(lines, "message {n}").expect("it is read");
                let due = start + Duration::from_secs(1) * (n + 1) / MESSAGES_PER_SECOND;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            drop(lines);
            sender.wait().expect("it ends");
            page.until("frames10.isDone");
            let seen = page.evaluate("frames10");
            let frames = seen["count"].as_f64().unwrap_or_default() / f64::from(SECONDS);
            println!(
                "{name}, {axis} axis: {frames:.1} frames/s, longest pause {:.0} ms, {} before, {} after, {} marks in sight",
                seen["longest"].as_f64().unwrap_or_default(),
                seen["events"],
                page.texts("#events").join(""),
                page.texts(".marks .event").len()
            );
            page.has_no_complaint();
        }
        page.picture(&format!("multicast-busy-{name}"));
    }
}
