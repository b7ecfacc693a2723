//! The store against everything a disk may do to it.
//!
//! A script of batches runs on a [`SimDisk`] that fails at one chosen operation; then the disk is opened again, as a
//! kill or a power loss would leave it, and must show every acknowledged entry and no state that never was.

use std::collections::BTreeMap;

use super::disk::Disk;
use super::sim::{Fault, SimDisk};
use super::*;
use crate::account::AccountId;
use crate::amount::{Amount, Balance};
use crate::entry::KeyPrint;
use crate::ledger::{Moment, Operation, Outcome};
use crate::pin::{PIN_HASH_BYTES, PinHash};

/// Small enough that the script fills several segments.
const SETTINGS: StoreSettings = StoreSettings {
    segment_bytes: 3 * 1024,
    snapshot_entries: 12,
    threads: false,
};

type Balances = Vec<(AccountId, Balance)>;

fn id(n: usize) -> AccountId {
    n.to_string().parse().unwrap()
}

/// The batches of the script: opened accounts, then transfers, one to nine at a time.
fn script() -> Vec<Vec<Operation>> {
    let pin = PinHash::from_bytes(&[5; PIN_HASH_BYTES]);
    let open = |n| Operation::Open {
        account: id(n),
        holder: "Ana".into(),
        pin: pin.clone(),
        balance: Amount::from_minor(1000),
    };
    let transfer = |n: usize| Operation::Transfer {
        from: id(n % 3),
        to: id((n + 1) % 3),
        amount: Amount::from_minor(n as i64 + 1).unwrap(),
    };
    let mut batches = vec![vec![open(0)], vec![open(1), open(2)]];
    for (n, length) in [1, 2, 9, 1, 4, 1, 1].into_iter().enumerate() {
        batches.push((0..length).map(|m| transfer(n + m)).collect());
    }
    batches
}

fn balances(ledger: &Ledger) -> Balances {
    ledger
        .accounts()
        .iter()
        .map(|account| (account.id, account.balance))
        .collect()
}

/// What the accounts hold after each entry, and how many entries there are after each batch.
fn truth() -> (Vec<Balances>, Vec<u64>) {
    let mut ledger = Ledger::new();
    let (mut after_entry, mut after_batch) = (vec![balances(&ledger)], vec![]);
    for batch in script() {
        for operation in batch {
            execute(&mut ledger, &operation, 0);
            after_entry.push(balances(&ledger));
        }
        after_batch.push(ledger.last_entry());
    }
    (after_entry, after_batch)
}

fn execute(ledger: &mut Ledger, operation: &Operation, chain: u32) -> (Vec<u8>, u32) {
    let key = KeyPrint::new(id(0), &ledger.last_entry().to_string());
    let Ok(Outcome::Done(entry)) = ledger.execute(operation, Some(key), Moment { at: 1, lamport: 1 }) else {
        panic!("the script runs through");
    };
    let mut bytes = Vec::new();
    let chain = entry.encode(chain, &mut bytes);
    (bytes, chain)
}

/// Lamport times that the script uses for each entry.
const STAMPS_PER_ENTRY: u64 = 100;

/// Runs the script's batches from the ledger's state on, each after reserving its stamps; returns the number of the last
/// acknowledged entry.
fn run(disk: &SimDisk) -> (u64, Option<StoreError>) {
    let (mut store, mut ledger) = match FileStore::open_on(Arc::new(disk.clone()), SETTINGS) {
        Ok(opened) => opened,
        Err(error) => return (0, Some(error)),
    };
    let mut chain = store.entry_chain();
    let (_, after_batch) = truth();
    let begun = ledger.last_entry();
    let done = after_batch
        .iter()
        .position(|&after| after == begun)
        .map_or(0, |batch| batch + 1);
    let mut acknowledged = begun;
    for batch in &script()[done..] {
        let mut bytes = Vec::new();
        let first_number = ledger.last_entry() + 1;
        for operation in batch {
            let (entry, next) = execute(&mut ledger, operation, chain);
            bytes.extend_from_slice(&entry);
            chain = next;
        }
        let batch = Batch {
            first_number,
            count: batch.len() as u32,
            bytes: &bytes,
            entry_chain: chain,
        };
        if let Err(error) = store.reserve_stamps(ledger.last_entry() * STAMPS_PER_ENTRY) {
            return (acknowledged, Some(error));
        }
        if let Err(error) = store.append(&batch) {
            let again = store.append(&batch);
            assert!(
                matches!(again, Err(StoreError::Poisoned)),
                "nothing is taken after a failure: {again:?}"
            );
            return (acknowledged, Some(error));
        }
        acknowledged = ledger.last_entry();
        if store.unsaved() >= SETTINGS.snapshot_entries {
            // A snapshot that fails costs nothing but time.
            let _ = store.save(&ledger);
        }
    }
    (acknowledged, None)
}

/// Opens the disk and checks that it shows a state that was, with everything acknowledged.
fn check_recovers(disk: &SimDisk, acknowledged: u64, case: &str) -> Result<u64, String> {
    let (after_entry, after_batch) = truth();
    let (store, ledger) =
        FileStore::open_on(Arc::new(disk.clone()), SETTINGS).map_err(|e| format!("{case}: {e}"))?;
    let found = ledger.last_entry();
    if store.stamps() < found.max(acknowledged) * STAMPS_PER_ENTRY {
        return Err(format!(
            "{case}: stamps are reserved through {} only, with {acknowledged} entries acknowledged and {found} there",
            store.stamps()
        ));
    }
    if found < acknowledged {
        return Err(format!(
            "{case}: {acknowledged} entries were acknowledged, {found} are there"
        ));
    }
    if found != 0 && !after_batch.contains(&found) {
        return Err(format!("{case}: entry {found} does not end a batch"));
    }
    if balances(&ledger) != after_entry[found as usize] {
        return Err(format!("{case}: wrong balances after entry {found}"));
    }
    Ok(found)
}

/// One short block goes where a long one may have been torn, and is found again alone.
fn append_one(disk: &SimDisk, found: u64, case: &str) {
    let open = || FileStore::open_on(Arc::new(disk.clone()), SETTINGS);
    let (mut store, mut ledger) = open().unwrap();
    let operation = match ledger.slot(id(0)) {
        None => script()[0][0].clone(),
        Some(_) => Operation::Deposit(id(0), Amount::from_minor(1).unwrap()),
    };
    let (bytes, entry_chain) = execute(&mut ledger, &operation, store.entry_chain());
    store
        .append(&Batch {
            first_number: found + 1,
            count: 1,
            bytes: &bytes,
            entry_chain,
        })
        .unwrap();
    drop(store);
    let reopened = open().map(|(_, ledger)| (ledger.last_entry(), ledger.sum()));
    assert_eq!(
        reopened.map_err(|error| format!("{case}: {error}")),
        Ok((found + 1, 0))
    );
}

/// A small generator of coin flips (xorshift), so that a case can be repeated from its number.
fn coin(seed: u64) -> impl FnMut() -> bool {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state & 1 == 1
    }
}

/// The disks that a start may find after `disk` stopped working.
fn aftermaths(disk: &SimDisk) -> Vec<(String, SimDisk)> {
    let mut disks = vec![
        ("kill".to_owned(), disk.after_kill()),
        (
            "power, nothing unsynced kept".to_owned(),
            disk.after_power_loss(|| false),
        ),
        ("power, all kept".to_owned(), disk.after_power_loss(|| true)),
    ];
    disks.extend((1..6).map(|seed| (format!("power, seed {seed}"), disk.after_power_loss(coin(seed)))));
    disks
}

fn operations_of_a_run() -> u64 {
    let disk = SimDisk::default();
    assert!(run(&disk).1.is_none());
    disk.operations()
}

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
            Err(StoreError::Locked)
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
