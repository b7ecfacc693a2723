//! The history store as the server uses it: what is stored comes back, and a room keeps as much as it should.
//!
//! The file itself is in `file.rs`, failing disks in `disk.rs`, crashes in `crash.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chat::history::{History, Registration, Restored, Settings, Window};
use lamport::TIME_MAX;

use super::support::{self, ALL, append, lines, open, quick, registration, seqs, stored};

#[tokio::test]
async fn what_was_appended_comes_back_before_and_after_it_is_stored() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = Settings {
        flush_interval: Duration::from_secs(3600),
        ..Settings::default()
    };
    let (history, restored) = History::open(dir.path(), &slow).expect("opens");
    assert_eq!(
        (restored.clock, restored.rooms.len(), restored.names.len()),
        (0, 0, 0)
    );
    append(&history, "lobby", 1..=10).await;
    append(&history, "tea", 1..=1).await;
    let check = async |history: &History| {
        let page = async |window, limit| {
            let page = history.page("lobby", window, limit, ALL).await.expect("readable");
            (seqs(&page.events), page.more)
        };
        assert_eq!(page(Window::Newest, 3).await, (vec![8, 9, 10], true));
        assert_eq!(page(Window::Newest, 10).await, ((1..=10).collect(), false));
        assert_eq!(page(Window::Before(4), 2).await, (vec![2, 3], true));
        assert_eq!(page(Window::Before(1), 2).await, (vec![], false));
        assert_eq!(page(Window::Before(0), 2).await, (vec![], false));
        assert_eq!(page(Window::After(7), 2).await, (vec![8, 9], true));
        assert_eq!(page(Window::After(8), 2).await, (vec![9, 10], false));
        assert_eq!(page(Window::After(u64::MAX), 2).await, (vec![], false));
        assert_eq!(page(Window::Before(u64::MAX), 1).await, (vec![10], true));
        assert_eq!(
            support::replay(history, "lobby", 4, 10).await,
            (0, (5..=10).collect())
        );
        let elsewhere = history
            .page("nowhere", Window::Newest, 5, ALL)
            .await
            .expect("readable");
        assert!(elsewhere.events.is_empty() && !elsewhere.more);
    };
    check(&history).await;
    history.close(77).await.expect("ends cleanly");

    let (history, restored) = open(dir.path());
    assert_eq!(restored.clock, 77, "exact after a clean end");
    let rooms: Vec<_> = restored
        .rooms
        .iter()
        .map(|room| (&*room.name, room.next_seq, room.stored_through, room.events))
        .collect();
    assert_eq!(rooms, [("lobby", 11, 10, 10), ("tea", 2, 1, 1)]);
    check(&history).await;
}

/// What a history finds when it is opened: its rooms, each with its next number and its events, and how far numbers were
/// used in rooms that were forgotten.
fn found(restored: &Restored) -> (Vec<(&str, u64, u64)>, u64) {
    let rooms = restored.rooms.iter();
    let mut rooms: Vec<_> = rooms
        .map(|room| (&*room.name, room.next_seq, room.events))
        .collect();
    rooms.sort_unstable();
    (rooms, restored.forgotten_through)
}

#[tokio::test]
async fn of_a_forgotten_room_nothing_stays_but_how_far_its_numbers_went() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    append(&history, "tea", 1..=10).await;
    append(&history, "lobby", 1..=3).await;
    append(&history, "coffee", 1..=12).await;
    // Whether stored already or not.
    history.forget("coffee");
    stored(dir.path(), "tea", 10).await;
    history.forget("tea");
    history.close(0).await.expect("closes");

    let (history, restored) = open(dir.path());
    assert_eq!(found(&restored), (vec![("lobby", 4, 3)], 12));
    assert!(
        history
            .page("tea", Window::Newest, 4, ALL)
            .await
            .expect("readable")
            .events
            .is_empty()
    );
    // Opened again, behind them; and one that nothing is said in after all.
    append(&history, "tea", 13..=14).await;
    history.reserve_seqs("nothing", 20).await;
    assert_eq!(support::replay(&history, "tea", 4, 14).await, (8, vec![13, 14]));
    history.close(0).await.expect("closes");

    let (history, restored) = open(dir.path());
    assert_eq!(
        found(&restored),
        (vec![("lobby", 4, 3), ("nothing", 13, 0), ("tea", 15, 2)], 12),
        "no number comes twice"
    );
    history.close(0).await.expect("closes");
}

/// Somebody may wait for the numbers of a room that another's failed attempt to enter it forgets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_numbers_of_a_forgotten_room_gets_them() {
    let history = History::in_memory(100);
    let (forgetting, done) = (history.clone(), Arc::new(AtomicBool::new(false)));
    let until = Arc::clone(&done);
    let others = tokio::task::spawn_blocking(move || {
        while !until.load(Ordering::Relaxed) {
            forgetting.forget("tea");
        }
    });
    let reserve = async {
        for _ in 0..20_000 {
            history.reserve_seqs("tea", 5).await;
        }
    };
    let reserved = tokio::time::timeout(Duration::from_secs(60), reserve).await;
    done.store(true, Ordering::Relaxed);
    others.await.expect("it forgets");
    reserved.expect("nobody waits for ever");
}

#[tokio::test]
async fn without_a_store_a_forgotten_room_is_gone() {
    let history = History::in_memory(100);
    append(&history, "tea", 1..=10).await;
    append(&history, "lobby", 1..=2).await;
    history.forget("tea");
    let page = history
        .page("tea", Window::Newest, 4, ALL)
        .await
        .expect("readable");
    assert!(page.events.is_empty());
    append(&history, "tea", 11..=12).await;
    let page = history
        .page("tea", Window::Newest, 4, ALL)
        .await
        .expect("readable");
    assert_eq!(seqs(&page.events), [11, 12]);
}

#[tokio::test]
async fn reads_join_what_is_stored_with_what_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    append(&history, "lobby", 1..=5).await;
    stored(dir.path(), "lobby", 5).await;
    // Read while the rest is on its way: whatever the moment, nothing is doubled and nothing is missing.
    for seq in 6..=400_u64 {
        append(&history, "lobby", seq..=seq).await;
        let page = history
            .page("lobby", Window::Newest, 7, ALL)
            .await
            .expect("readable");
        let newest: Vec<u64> = (seq.saturating_sub(6).max(1)..=seq).collect();
        assert_eq!(seqs(&page.events), newest);
        if seq % 40 == 0 {
            assert_eq!(
                support::replay(&history, "lobby", 0, seq).await,
                (0, (1..=seq).collect())
            );
        }
    }
}

#[tokio::test]
async fn a_page_ends_where_its_bytes_end() {
    let history = History::in_memory(1000);
    append(&history, "lobby", 1..=9).await;
    let length = lines(1..=1).len();
    let page = history
        .page("lobby", Window::Newest, 500, length * 4)
        .await
        .expect("readable");
    assert_eq!((seqs(&page.events), page.more), (vec![6, 7, 8, 9], true));
    let page = history
        .page("lobby", Window::After(2), 500, length * 3)
        .await
        .expect("readable");
    assert_eq!((seqs(&page.events), page.more), (vec![3, 4, 5], true));
}

#[tokio::test]
async fn a_room_keeps_its_newest_events_and_the_file_stops_growing() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        events_max: 1000,
        ..quick()
    };
    let (history, _) = History::open(dir.path(), &settings).expect("opens");
    let (mut next, mut pages) = (1, Vec::new());
    let file = rusqlite::Connection::open(dir.path().join("chat.db")).expect("the file is there");
    for _ in 0..8 {
        for _ in 0..50 {
            append(&history, "lobby", next..=next + 99).await;
            next += 100;
        }
        stored(dir.path(), "lobby", next - 1).await;
        pages.push(
            file.query_row("PRAGMA page_count", [], |row| row.get::<_, u64>(0))
                .expect("pages"),
        );
    }
    let page = history
        .page("lobby", Window::After(0), 5000, ALL)
        .await
        .expect("readable");
    let kept = seqs(&page.events);
    assert!(
        (1000..=1000 + 1000 / 16 + 100).contains(&kept.len()),
        "{} events kept",
        kept.len()
    );
    assert_eq!(kept.last(), Some(&(next - 1)));
    assert!(
        pages[7] <= pages[1] + pages[1] / 2,
        "the space of pruned blocks is used again: {pages:?} pages"
    );
    let (missed, replayed) = support::replay(&history, "lobby", 10, next - 1).await;
    assert_eq!(missed, kept[0] - 11, "what was pruned is counted");
    assert_eq!(replayed, kept);
}

#[tokio::test]
async fn memory_keeps_the_newest_and_reserves_without_waiting() {
    let history = History::in_memory(160);
    for first in (1..=1000).step_by(10) {
        append(&history, "lobby", first..=first + 9).await;
    }
    let page = history
        .page("lobby", Window::Newest, 1000, ALL)
        .await
        .expect("readable");
    let kept = seqs(&page.events);
    assert!(
        (160..=180).contains(&kept.len()) && kept.last() == Some(&1000),
        "{} events kept",
        kept.len()
    );
    assert!(history.reserve_clock(0, 1 << 40).await >= 1 << 40);
    history
        .register(registration("Ana"))
        .await
        .expect("nothing to store");
    assert_eq!(
        history.registration("ana").map(|name| name.shown),
        Some("Ana".into())
    );
    history.close(0).await.expect("nothing to store");
}

#[tokio::test]
async fn registered_names_survive_and_change_their_password() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    history.register(registration("Silvio")).await.expect("stored");
    let changed = Registration {
        password: "$argon2id$new".into(),
        ..registration("Silvio")
    };
    history.register(changed.clone()).await.expect("stored");
    drop(history);
    let (history, restored) = open(dir.path());
    assert_eq!(restored.names, std::slice::from_ref(&changed));
    assert_eq!(history.registration("silvio"), Some(changed));
}

#[tokio::test]
async fn the_clock_goes_on_at_the_last_time_there_is_and_not_beyond() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    let through = history.reserve_clock(TIME_MAX - 10, TIME_MAX - 1).await;
    assert!(through >= TIME_MAX - 1);
    // Without an exact mark, as after a crash.
    drop(history);
    let (_, restored) = open(dir.path());
    assert_eq!(restored.clock, TIME_MAX);
}
