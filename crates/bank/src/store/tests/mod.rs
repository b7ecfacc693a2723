//! The store against everything a disk may do to it.
//!
//! A [`script`] of batches runs on a [`SimDisk`] that fails at one chosen operation ([`faults`]), or whose bytes are changed
//! afterwards ([`damage`]), or is cut off while the bank is begun ([`beginnings`]); then the disk is opened again, as a kill or a power loss would leave it, and must show every
//! acknowledged entry and no state that never was.

mod beginnings;
mod damage;
mod faults;
mod script;

use self::script::{SETTINGS, execute, id, run, script};
use super::sim::SimDisk;
use super::*;
use crate::amount::Amount;
use crate::ledger::Operation;

#[test]
fn every_entry_can_be_read_by_its_number() {
    let disk = SimDisk::default();
    run(&disk);
    let (store, ledger) = FileStore::open_on(Arc::new(disk), SETTINGS).unwrap();
    let entries = store.entries();
    for number in 1..=ledger.last_entry() {
        assert_eq!(entries.read(number).unwrap().number, number);
    }
    assert!(entries.read(ledger.last_entry() + 1).is_err());
    assert!(entries.read(0).is_err());
}

#[test]
fn a_journal_on_a_real_disk_goes_on_over_restarts_and_threads_make_its_snapshots() {
    let place = tempfile::tempdir().unwrap();
    let settings = StoreSettings {
        segment_bytes: 0,
        snapshot_entries: 50,
        threads: true,
    };
    for start in 0..4 {
        let (mut store, mut ledger) = FileStore::open(place.path(), settings.clone()).unwrap();
        assert_eq!(ledger.last_entry(), start * 100);
        assert!(matches!(
            FileStore::open(place.path(), settings.clone()),
            Err(StoreError::InUse(_))
        ));
        let mut chain = store.entry_chain();
        for n in 0..100 {
            let operation = match ledger.slot(id(0)) {
                None => script()[0][0].clone(),
                Some(_) => Operation::Deposit(id(0), Amount::from_minor(n + 1).unwrap()),
            };
            let (bytes, next) = execute(&mut ledger, &operation, chain);
            chain = next;
            let batch = Batch {
                first_number: ledger.last_entry(),
                count: 1,
                bytes: &bytes,
                entry_chain: chain,
            };
            store.append(&batch).unwrap();
        }
        let read = store.entries().read(ledger.last_entry()).unwrap();
        assert_eq!(
            read.credit_after,
            ledger.account(ledger.slot(id(0)).unwrap()).balance
        );
    }
    let mut count = 0;
    let ledger = files::examine(place.path(), &mut |_| {
        count += 1;
        Ok(())
    });
    assert_eq!((count, ledger.unwrap().last_entry()), (400, 400));
}

#[test]
fn a_missing_permission_is_no_full_disk() {
    let check = |reason: io::ErrorKind, hint: &str| {
        let error = StoreError::io("create", "stamps")(reason.into());
        assert!(error.to_string().ends_with(hint), "{error}");
    };
    check(io::ErrorKind::PermissionDenied, "mend its permissions");
    check(io::ErrorKind::StorageFull, FAILED_HINT);
}
