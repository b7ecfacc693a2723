use super::*;
use crate::durable::record::samples;

fn owner() -> Owner {
    Owner {
        member: "P1".to_owned(),
        group: "00ff".to_owned(),
        order: "causal".to_owned(),
    }
}

fn open(directory: &Path) -> (Journal, Option<usize>) {
    Journal::open(directory, owner()).unwrap()
}

/// A journal with every sample record in a block of its own, and what it amounts to after each.
fn written(directory: &Path) -> Vec<(usize, Book)> {
    let (mut journal, _) = open(directory);
    let mut books = vec![(journal.bytes, journal.book().clone())];
    for record in samples() {
        journal.append(vec![record]).unwrap();
        books.push((journal.bytes, journal.book().clone()));
    }
    books
}

#[test]
fn a_file_cut_anywhere_amounts_to_all_whole_blocks_before() {
    let directory = tempfile::tempdir().unwrap();
    let books = written(directory.path());
    let path = directory.path().join("journal");
    let bytes = std::fs::read(&path).unwrap();
    let (begun, end) = (books[0].0, books.last().unwrap().0);
    assert_eq!(bytes.len(), end);
    for length in begun..=end {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let (journal, torn) = open(directory.path());
        let (whole, book) = books.iter().rfind(|(at, _)| *at <= length).unwrap();
        assert_eq!(journal.book(), book, "cut to {length}");
        assert_eq!(torn, (*whole < length).then_some(*whole), "cut to {length}");
    }
}

#[test]
fn a_last_block_of_which_any_part_was_not_written_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let books = written(directory.path());
    let path = directory.path().join("journal");
    let bytes = std::fs::read(&path).unwrap();
    let (last, book) = &books[books.len() - 2];
    for at in *last..bytes.len() {
        let mut torn = bytes.clone();
        // A block that never reached the disk reads as zeros.
        torn[at..].iter_mut().take(8).for_each(|byte| *byte = 0);
        if torn == bytes {
            continue;
        }
        std::fs::write(&path, &torn).unwrap();
        let (journal, place) = open(directory.path());
        assert_eq!((journal.book(), place), (book, Some(*last)), "zeros from {at}");
    }
}

#[test]
fn a_byte_changed_before_the_last_block_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let books = written(directory.path());
    let path = directory.path().join("journal");
    let bytes = std::fs::read(&path).unwrap();
    let last = books[books.len() - 2].0;
    for at in 0..last {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        std::fs::write(&path, &changed).unwrap();
        let opened = Journal::open(directory.path(), owner());
        assert!(
            matches!(
                opened,
                Err(JournalError::Damaged { .. } | JournalError::Another { .. })
            ),
            "byte {at}: {opened:?}"
        );
    }
}

#[test]
fn a_journal_belongs_to_one_member_of_one_group_in_one_order() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    let other = Owner {
        order: "total".to_owned(),
        ..owner()
    };
    let opened = Journal::open(directory.path(), other);
    assert!(matches!(opened, Err(JournalError::Another { .. })), "{opened:?}");
}

#[test]
fn a_file_that_has_grown_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    let big = |number: u64| {
        let mut records = samples();
        records.push(Record::Taken(number));
        records
    };
    let mut grown = 0;
    for number in 0.. {
        let before = journal.bytes;
        let many = (0..10_000).flat_map(|_| big(2 * number)).collect();
        journal.append(many).unwrap();
        grown += usize::from(journal.bytes < before);
        if grown == 2 {
            break;
        }
    }
    let book = journal.book().clone();
    drop(journal);
    assert_eq!(open(directory.path()).0.book(), &book);
}
