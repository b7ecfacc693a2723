//! A disk that gives back other bytes than it was given.

use std::collections::BTreeMap;

use super::script::{SETTINGS, check_recovers, run};
use crate::store::disk::Disk;
use crate::store::sim::SimDisk;
use crate::store::*;

/// A whole small journal on a disk of its own, without snapshots that would spare a start from reading it.
fn small_journal() -> (SimDisk, u64) {
    let disk = SimDisk::default();
    let (acknowledged, _) = run(&disk);
    let disk = disk.after_power_loss(|| false);
    for name in disk
        .contents()
        .into_keys()
        .filter(|name| name.starts_with("snapshot-"))
    {
        disk.remove(&name).unwrap();
    }
    (disk, acknowledged)
}

#[test]
fn every_flipped_bit_of_a_journal_is_refused_with_its_place() {
    let (disk, acknowledged) = small_journal();
    assert!(acknowledged > 0);
    for (name, bytes) in disk.contents() {
        for bit in 0..bytes.len() * 8 {
            let flip = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
            disk.alter(&name, flip);
            match FileStore::open_on(Arc::new(disk.clone()), SETTINGS).map(|(_, ledger)| ledger.last_entry())
            {
                Err(StoreError::Damaged { file, offset, .. }) => {
                    assert_eq!(
                        (file, offset / 512),
                        (name.clone(), bit as u64 / 8 / 512),
                        "bit {bit}"
                    );
                }
                other => panic!("{name}, bit {bit}: {other:?}"),
            }
            disk.alter(&name, flip);
        }
    }
    check_recovers(&disk, acknowledged, "all bits flipped back").unwrap();
}

#[test]
fn a_flipped_bit_of_a_snapshot_costs_time_only() {
    let disk = SimDisk::default();
    let (acknowledged, _) = run(&disk);
    for (name, bytes) in disk
        .contents()
        .into_iter()
        .filter(|(name, _)| name.starts_with("snapshot-"))
    {
        for byte in 0..bytes.len() {
            let flip = |bytes: &mut Vec<u8>| bytes[byte] ^= 0x10;
            disk.alter(&name, flip);
            let copy = disk.after_kill();
            check_recovers(&copy, acknowledged, &format!("{name}, byte {byte}")).unwrap();
            disk.alter(&name, flip);
        }
    }
}

/// What an acknowledged block leaves when it is lost is never taken for the end.
#[test]
fn a_lost_sector_segment_or_order_is_refused() {
    let (disk, _) = small_journal();
    let check = |case: &str, change: &dyn Fn(&SimDisk)| {
        let disk = disk.after_kill();
        change(&disk);
        let opened = FileStore::open_on(Arc::new(disk), SETTINGS).map(|(_, ledger)| ledger.last_entry());
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "{case}: {opened:?}"
        );
    };
    let contents: BTreeMap<_, _> = disk.contents();
    let (first, second) = ("journal-0000000001", "journal-0000000002");
    check("a blank sector", &|disk| {
        disk.alter(first, |bytes| bytes[512..1024].fill(0))
    });
    check("two sectors changed places", &|disk| {
        disk.alter(first, |bytes| {
            let (one, two) = bytes[512..1536].split_at_mut(512);
            one.swap_with_slice(two);
        });
    });
    check("a segment is gone", &|disk| disk.remove(second).unwrap());
    check("the first segment is gone", &|disk| disk.remove(first).unwrap());
    check("a segment stands for another", &|disk| {
        disk.alter(second, |bytes| bytes.copy_from_slice(&contents[first]));
    });
    check("a segment is cut", &|disk| {
        disk.alter(first, |bytes| bytes.truncate(1000))
    });
    check("a segment is empty", &|disk| disk.alter(first, Vec::clear));
}
