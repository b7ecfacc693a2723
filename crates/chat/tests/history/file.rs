//! The directory and the file: whose they are, and what people find there.

use std::path::Path;

use chat::history::{History, OpenError};

use super::support::{open, quick, stored};

#[tokio::test]
async fn the_second_server_on_a_directory_is_refused_until_the_first_has_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let (first, _) = open(dir.path());
    let refused = History::open(dir.path(), &quick()).expect_err("it is in use");
    assert!(matches!(refused, OpenError::InUse(_)), "{refused:?}");
    let text = refused.to_string();
    assert!(
        text.contains(&format!("in use by process {};", std::process::id())) && text.contains("hint: "),
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

#[test]
fn a_file_of_the_first_version_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = rusqlite::Connection::open(dir.path().join("chat.db")).expect("writable");
    file.execute_batch(include_str!("../../src/history/database/schema-1.sql"))
        .and_then(|()| {
            file.execute_batch(
                "PRAGMA application_id = 0x616e7443; PRAGMA user_version = 1;
                 INSERT INTO room (name, reserved) VALUES ('lobby', 41)",
            )
        })
        .expect("written");
    for _ in 0..2 {
        let (_, restored) = open(dir.path());
        assert_eq!((restored.rooms[0].next_seq, restored.forgotten_through), (42, 0));
    }
}
