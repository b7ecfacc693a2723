//! A failing disk is survived, a full one too, and damage is noticed.

use chat::history::{History, ReadError, RegisterError, Settings, Window};

use super::support::{self, ALL, append, open, quick, registration, stored};

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

#[tokio::test]
async fn a_room_is_gone_only_together_with_the_number_it_leaves_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let (history, _) = open(dir.path());
    append(&history, "tea", 1..=10).await;
    stored(dir.path(), "tea", 10).await;
    let file = rusqlite::Connection::open(dir.path().join("chat.db")).expect("opens");
    file.execute_batch(
        "CREATE TRIGGER full BEFORE UPDATE ON forgotten BEGIN SELECT raise(FAIL, 'as the test wants it'); END",
    )
    .expect("writable");
    history.forget("tea");
    support::eventually(|| history.failure().is_some()).await;
    history
        .close(0)
        .await
        .expect_err("nothing can be stored any more");

    file.execute_batch("DROP TRIGGER full").expect("writable");
    let (_, restored) = open(dir.path());
    assert_eq!(restored.forgotten_through, 0);
    let [tea] = &restored.rooms[..] else {
        panic!("{restored:?}");
    };
    assert!(tea.next_seq > 10 && tea.events == 10, "{tea:?}");
}
