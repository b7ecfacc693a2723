//! The history store as the server uses it: what is stored comes back, nobody else gets in, a failing disk is survived.
//!
//! Crashes are in `crash.rs`.

use std::{path::Path, time::Duration};

use super::support::{self, append, lines, seqs};
use chat::history::{History, OpenError, ReadError, RegisterError, Registration, Restored, Settings, Window};

const ALL: usize = 1 << 20;

fn open(dir: &Path) -> (History, Restored) {
    History::open(dir, &quick()).expect("the directory is ours")
}

fn quick() -> Settings {
    Settings {
        flush_interval: Duration::from_millis(20),
        ..Settings::default()
    }
}

fn registration(name: &str) -> Registration {
    Registration {
        key: name.to_lowercase().into(),
        shown: name.into(),
        password: "$argon2id$…".into(),
    }
}

/// Waits until everything appended so far is in the file: a reservation is committed after the events before it only
/// by a clean end, so this asks the file itself.
async fn stored(dir: &Path, room: &str, through: u64) {
    let file = rusqlite::Connection::open(dir.join("chat.db")).expect("the file is there");
    support::eventually(|| {
        file.query_row("SELECT last FROM room WHERE name = ?1", [room], |row| {
            row.get::<_, u64>(0)
        })
        .ok()
            == Some(through)
    })
    .await;
}

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

#[tokio::test]
async fn a_forgotten_room_is_remembered_when_it_is_used_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    append(&history, "tea", 1..=10).await;
    append(&history, "lobby", 1..=3).await;
    stored(dir.path(), "tea", 10).await;
    history.forget("tea");
    support::eventually(|| history.seqs_through("tea") == 0).await;
    assert!(history.seqs_through("lobby") >= 3);

    // Other numbers have been forgotten meanwhile, so it goes on behind them.
    append(&history, "tea", 21..=22).await;
    let page = history
        .page("tea", Window::Newest, 4, ALL)
        .await
        .expect("readable");
    assert_eq!(seqs(&page.events), [9, 10, 21, 22]);
    // Forgotten before anything of it is stored: it goes once that is done.
    append(&history, "coffee", 1..=2).await;
    history.forget("coffee");
    stored(dir.path(), "coffee", 2).await;
    support::eventually(|| history.seqs_through("coffee") == 0).await;
    // Reserved and never used.
    history.reserve_seqs("nothing", 5).await;
    history.forget("nothing");
    assert_eq!(history.seqs_through("nothing"), 0);
    assert!(history.reserve_seqs("nothing", 5).await >= 5, "and again");
    history.close(0).await.expect("closes");

    let (history, restored) = open(dir.path());
    let mut rooms: Vec<_> = restored
        .rooms
        .iter()
        .map(|room| (&*room.name, room.next_seq, room.events))
        .collect();
    rooms.sort_unstable();
    assert_eq!(
        rooms,
        [
            ("coffee", 3, 2),
            ("lobby", 4, 3),
            ("nothing", 1, 0),
            ("tea", 23, 12)
        ]
    );
    history.close(0).await.expect("closes");
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
async fn the_second_server_on_a_directory_is_refused_until_the_first_has_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let (first, _) = open(dir.path());
    let refused = History::open(dir.path(), &quick()).expect_err("it is in use");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(
        text.contains(&format!("(process {})", std::process::id())) && text.contains("hint: "),
        "{text}"
    );
    first.close(0).await.expect("ends cleanly");
    open(dir.path());
}

#[test]
fn an_unusable_directory_is_explained() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("writable");
    // For root a mode is no obstacle, a file in the way and the kernel's own file system are.
    for unusable in [file.join("data"), "/proc/antes".into()] {
        let refused = History::open(&unusable, &quick()).expect_err("cannot be created");
        assert!(matches!(refused, OpenError::Unusable { .. }), "{refused:?}");
        assert!(
            refused.to_string().contains("hint: ")
                && refused.to_string().contains(&*unusable.to_string_lossy()),
            "{refused}"
        );
    }
}

#[test]
fn other_files_are_left_alone() {
    let check = |content: &dyn Fn(&Path), expected: &str| {
        let dir = tempfile::tempdir().expect("a directory");
        content(&dir.path().join("chat.db"));
        let before = std::fs::read(dir.path().join("chat.db")).expect("readable");
        let refused = History::open(dir.path(), &quick())
            .expect_err("not ours")
            .to_string();
        assert!(
            refused.contains(expected) && refused.contains("hint: "),
            "{refused}"
        );
        assert_eq!(
            std::fs::read(dir.path().join("chat.db")).expect("readable"),
            before,
            "untouched"
        );
    };
    let sql = |statements: &'static str| {
        move |file: &Path| {
            rusqlite::Connection::open(file)
                .and_then(|file| file.execute_batch(statements))
                .expect("written")
        }
    };
    check(
        &|file| std::fs::write(file, "no database at all".repeat(100)).expect("written"),
        "failed to read",
    );
    check(&sql("CREATE TABLE recipe (cake TEXT)"), "is not a chat history");
    check(
        &sql("CREATE TABLE room (id); PRAGMA application_id = 0x616e7443; PRAGMA user_version = 99"),
        "schema version 99",
    );
}

#[tokio::test]
async fn a_failing_disk_is_reported_and_recovered_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    append(&history, "lobby", 1..=5).await;
    stored(dir.path(), "lobby", 5).await;

    // Somebody else's transaction keeps the writer out, as an I/O error that passes would.
    let somebody = rusqlite::Connection::open(dir.path().join("chat.db")).expect("opens");
    somebody.execute_batch("BEGIN IMMEDIATE").expect("locked");
    append(&history, "lobby", 6..=9).await;
    support::eventually(|| history.failure().is_some()).await;
    let refused = history.page("lobby", Window::Newest, 5, ALL).await;
    assert!(matches!(refused, Err(ReadError::Unavailable(_))), "{refused:?}");
    let refused = history.register(registration("Ana")).await;
    assert!(
        matches!(refused, Err(RegisterError::Unavailable(_))),
        "{refused:?}"
    );
    // The chat goes on: numbers are there, and nobody is held back.
    append(&history, "lobby", 10..=2000).await;
    append(&history, "new room", 1..=3).await;
    history.ready().await;
    assert_eq!(
        support::replay(&history, "lobby", 3, 2000).await,
        (0, (4..=2000).collect()),
        "reconnecting works"
    );

    somebody.execute_batch("ROLLBACK").expect("unlocked");
    support::eventually(|| history.failure().is_none()).await;
    stored(dir.path(), "lobby", 2000).await;
    let reserved: u64 = somebody
        .query_row("SELECT reserved FROM room WHERE name = 'lobby'", [], |row| {
            row.get(0)
        })
        .expect("the room is there");
    assert!(
        reserved >= history.seqs_through("lobby"),
        "what was granted on credit is written down: {reserved}"
    );
    history.register(registration("Ana")).await.expect("stored again");
    history.close(9).await.expect("ends cleanly");
    let (history, _) = open(dir.path());
    assert_eq!(
        support::replay(&history, "lobby", 0, 2000).await,
        (0, (1..=2000).collect())
    );
}

#[tokio::test]
async fn a_full_disk_stops_the_storing_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        file_bytes_max: Some(400 << 10),
        ..quick()
    };
    let (history, _) = History::open(dir.path(), &settings).expect("opens");
    let mut next = 1;
    while history.failure().is_none() {
        append(&history, "lobby", next..=next + 99).await;
        next += 100;
        tokio::task::yield_now().await;
        assert!(next < 1_000_000, "400 KiB never became full");
    }
    assert!(
        history.failure().is_some_and(|failure| failure.contains("full")),
        "{:?}",
        history.failure()
    );
    // 200 MB more: memory stays bounded by giving up the oldest, and appending goes on.
    for _ in 0..100 {
        append(&history, "lobby", next..=next + 9999).await;
        next += 10_000;
    }
    assert!(
        support::resident_bytes() < 400 << 20,
        "{} bytes resident",
        support::resident_bytes()
    );
    let (missed, newest) = support::replay(&history, "lobby", 0, next - 1).await;
    assert!(missed > 0 && newest.last() == Some(&(next - 1)));
    assert_eq!(
        missed + newest.len() as u64,
        next - 1,
        "every number is either there or counted as missed"
    );
    assert!(
        history.close(0).await.is_err(),
        "not everything could be stored, and it says so"
    );
    // What was stored before is sound.
    let (history, restored) = open(dir.path());
    let stored_through = restored.rooms[0].stored_through;
    assert_eq!(
        support::replay(&history, "lobby", 0, stored_through).await,
        (0, (1..=stored_through).collect())
    );
}

#[tokio::test]
async fn people_can_read_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    history.reserve_seqs("lobby", 3).await;
    history.append("lobby", 1, 3, concat!(
        r#"{"lamport":4,"event":"entered","room":"lobby","seq":1,"name":"Bernardo","at":1763690000000}"#, "\n",
        r#"{"lamport":7,"event":"said","room":"lobby","seq":2,"from":"Bernardo","text":"Olá, \"pessoal\"\n[{","at":1763690000125}"#, "\n",
        r#"{"lamport":9,"event":"left","room":"lobby","seq":3,"name":"Bernardo","reason":"quit","at":1763690000250}"#, "\n",
    ).as_bytes());
    stored(dir.path(), "lobby", 3).await;
    let file = rusqlite::Connection::open(dir.path().join("chat.db")).expect("opens while the server runs");
    let mut statement = file
        .prepare("SELECT seq, at, event, name, text, lamport FROM message WHERE room = 'lobby' ORDER BY seq")
        .expect("the view is there");
    let shown: Vec<String> = statement
        .query_map([], |row| {
            let text: Option<String> = row.get(4)?;
            Ok(format!(
                "{} {} {} {} {:?} {}",
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                text,
                row.get::<_, i64>(5)?
            ))
        })
        .expect("a query")
        .collect::<Result<_, _>>()
        .expect("rows");
    assert_eq!(
        shown,
        [
            "1 2025-11-21 01:53:20.000 entered Bernardo None 4",
            r#"2 2025-11-21 01:53:20.125 said Bernardo Some("Olá, \"pessoal\"\n[{") 7"#,
            r#"3 2025-11-21 01:53:20.250 left Bernardo Some("quit") 9"#,
        ]
    );
}

#[tokio::test]
async fn a_damaged_block_is_left_out_and_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    for (through, range) in [(5, 1..=5), (9, 6..=9), (12, 10..=12)] {
        append(&history, "lobby", range).await;
        stored(dir.path(), "lobby", through).await;
    }
    let file = rusqlite::Connection::open(dir.path().join("chat.db")).expect("opens");
    file.execute("UPDATE block SET lines = 'x' || char(10) WHERE first = 6", [])
        .expect("damaged");
    assert_eq!(
        support::replay(&history, "lobby", 0, 12).await,
        (4, vec![1, 2, 3, 4, 5, 10, 11, 12])
    );
}
