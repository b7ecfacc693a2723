//! A disk that fails, at any of its operations.

use std::sync::Arc;

use super::script::{SETTINGS, aftermaths, append_one, check_recovers, operations_of_a_run, run};
use crate::store::FileStore;
use crate::store::sim::{Fault, SimDisk};

#[test]
fn the_script_fills_segments_and_makes_snapshots() {
    let disk = SimDisk::default();
    let (acknowledged, error) = run(&disk);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        check_recovers(&disk.after_power_loss(|| false), acknowledged, "whole"),
        Ok(acknowledged)
    );
    let names: Vec<String> = disk.contents().into_keys().collect();
    assert!(
        names.iter().filter(|name| name.starts_with("journal-")).count() >= 3,
        "{names:?}"
    );
    assert!(
        names.iter().any(|name| name.starts_with("snapshot-")),
        "{names:?}"
    );
}

/// A fault at every operation, then every aftermath; each must recover, run on to the end, and survive a power loss.
#[test]
fn a_fault_at_every_write_and_sync_recovers() {
    for fault in [Fault::Crash, Fault::Error, Fault::Short] {
        for operation in 0..operations_of_a_run() {
            let disk = SimDisk::default();
            disk.plan(operation, fault);
            let (acknowledged, _) = run(&disk);
            for (aftermath, disk) in aftermaths(&disk) {
                let case = format!("{fault:?} at operation {operation}, {aftermath}");
                let found = check_recovers(&disk, acknowledged, &case).unwrap();
                append_one(&disk.after_kill(), found, &case);
                let (finished, error) = run(&disk);
                assert!(error.is_none() && finished >= found, "{case}: runs on: {error:?}");
                check_recovers(&disk.after_power_loss(|| false), finished, &case).unwrap();
            }
        }
    }
}

/// The recovery itself is cut at every operation, too.
#[test]
fn a_crash_at_every_write_and_sync_of_a_recovery_recovers() {
    for operation in 0..operations_of_a_run() {
        let first = SimDisk::default();
        first.plan(operation, Fault::Crash);
        let (acknowledged, _) = run(&first);
        for (aftermath, broken) in aftermaths(&first).into_iter().take(4) {
            for second in 0.. {
                let disk = broken.after_kill();
                disk.plan(second, Fault::Crash);
                let case =
                    format!("crash at operation {operation}, {aftermath}, crash at {second} of the recovery");
                let whole = FileStore::open_on(Arc::new(disk.clone()), SETTINGS).is_ok();
                for (aftermath, disk) in aftermaths(&disk).into_iter().take(4) {
                    check_recovers(&disk, acknowledged, &format!("{case}, {aftermath}")).unwrap();
                }
                if whole {
                    break;
                }
            }
        }
    }
}

/// The negative control: a disk that lies about its syncs loses acknowledged entries, and the checks above see it.
#[test]
fn a_disk_that_lies_is_noticed() {
    let disk = SimDisk::default();
    let lying = disk.clone();
    assert!(run(&disk).1.is_none());
    let honest = run(&SimDisk::default()).0;
    let fresh = SimDisk::default();
    fresh.lie();
    let (acknowledged, _) = run(&fresh);
    assert_eq!(acknowledged, honest);
    assert!(check_recovers(&fresh.after_power_loss(|| false), acknowledged, "lying").is_err());
    assert!(check_recovers(&lying.after_power_loss(|| false), acknowledged, "honest").is_ok());
}
