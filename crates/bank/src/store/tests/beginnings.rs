//! A bank that is begun, or whose `stamps` are lost: the power may go between any two of its files.

use std::sync::Arc;

use super::script::{SETTINGS, aftermaths, check_recovers, run, sampled_aftermaths};
use crate::limits::STAMPS_RECOVERY_LEAP;
use crate::store::disk::Disk as _;
use crate::store::lost_stamps::recover_on;
use crate::store::sim::{Fault, SimDisk};
use crate::store::{FileStore, StoreError};

fn open(disk: &SimDisk) -> Result<u64, StoreError> {
    FileStore::open_on(Arc::new(disk.clone()), SETTINGS).map(|(_, ledger)| ledger.last_entry())
}

fn has(disk: &SimDisk, name: &str) -> bool {
    disk.list().unwrap().iter().any(|there| there == name)
}

/// A disk with a whole script on it, and the number of its last entry.
fn filled() -> (SimDisk, u64) {
    let disk = SimDisk::default();
    let (acknowledged, error) = run(&disk);
    assert!(error.is_none(), "{error:?}");
    (disk.after_power_loss(|| false), acknowledged)
}

#[test]
fn a_beginning_cut_off_anywhere_is_never_refused() {
    for fault in [Fault::Crash, Fault::Error, Fault::Short] {
        for operation in 0.. {
            let disk = SimDisk::default();
            disk.plan(operation, fault);
            let whole = open(&disk).is_ok();
            for (aftermath, disk) in sampled_aftermaths(&disk, 64) {
                let case = format!("{fault:?} at operation {operation}, {aftermath}");
                let names = disk.list().unwrap();
                assert_eq!(open(&disk).map_err(|e| format!("{case}, {names:?}: {e}")), Ok(0));
                assert!(has(&disk, "stamps"), "{case}");
            }
            if whole {
                break;
            }
        }
    }
}

#[test]
fn a_journal_without_its_stamps_is_refused_and_left_as_it_is() {
    let (disk, _) = filled();
    disk.remove("stamps").unwrap();
    let before = disk.contents();
    let refused = open(&disk);
    assert!(matches!(refused, Err(StoreError::NoStamps)), "{refused:?}");
    assert!(disk.contents() == before);
}

/// Only a segment that is not finished excuses that there is none.
#[test]
fn stamps_without_a_journal_are_the_rest_of_a_lost_bank() {
    let check = |lost: &[&str], made: &[&str], refused: bool| {
        let (disk, _) = filled();
        let names = disk.list().unwrap();
        for name in names
            .iter()
            .filter(|name| lost.iter().any(|prefix| name.starts_with(prefix)))
        {
            disk.remove(name).unwrap();
        }
        for name in made {
            disk.create(name).unwrap();
        }
        let opened = open(&disk);
        let damaged =
            matches!(&opened, Err(StoreError::Damaged { file, .. }) if file == "journal-0000000001");
        assert_eq!(damaged, refused, "{lost:?} {made:?}: {opened:?}");
    };
    let unfinished = "journal-0000000001.new";
    check(&["journal-", "snapshot-"], &[], true);
    check(&["journal-"], &[unfinished], true);
    check(&["journal-0000000001"], &[unfinished], true);
    check(&["journal-", "snapshot-"], &[unfinished], false);
}

#[test]
fn recovered_stamps_lie_beyond_the_journal_whenever_the_recovery_is_cut_off() {
    let (whole, acknowledged) = filled();
    type Harm = fn(&SimDisk);
    let harms: [Harm; 2] = [
        |disk| disk.remove("stamps").unwrap(),
        |disk| disk.alter("stamps", |bytes| bytes[40] = 1),
    ];
    for harm in harms {
        for operation in 0.. {
            let disk = whole.after_kill();
            harm(&disk);
            let disk = disk.after_power_loss(|| true);
            disk.plan(operation, Fault::Crash);
            let done = recover_on(&disk).is_ok();
            for (aftermath, disk) in aftermaths(&disk) {
                let case = format!("crash at operation {operation}, {aftermath}");
                if let Err(error) = open(&disk) {
                    assert!(!done, "{case}: {error}");
                    recover_on(&disk).unwrap_or_else(|error| panic!("{case}: {error}"));
                }
                assert!(matches!(recover_on(&disk), Err(StoreError::StampsKept)), "{case}");
                check_recovers(&disk, acknowledged, &case).unwrap();
                let (store, ledger) = FileStore::open_on(Arc::new(disk), SETTINGS).unwrap();
                let mark = crate::store::Store::stamps(&store);
                assert_eq!(mark, ledger.lamport() + STAMPS_RECOVERY_LEAP, "{case}");
            }
            if done {
                break;
            }
        }
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let (disk, acknowledged) = filled();
    for name in ["report.new", "journal-0000000009.new"] {
        disk.create(name).unwrap();
    }
    assert_eq!(open(&disk).unwrap(), acknowledged);
    assert!(has(&disk, "report.new") && !has(&disk, "journal-0000000009.new"));
}
