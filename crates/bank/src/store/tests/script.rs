//! The script, how it is run on a disk, and what must be found on the disk afterwards.

use crate::account::AccountId;
use crate::amount::{Amount, Balance};
use crate::entry::KeyPrint;
use crate::ledger::{Moment, Operation, Outcome};
use crate::pin::{PIN_HASH_BYTES, PinHash};
use crate::store::sim::SimDisk;
use crate::store::*;

/// Small enough that the script fills several segments.
pub(super) const SETTINGS: StoreSettings = StoreSettings {
    segment_bytes: 3 * 1024,
    snapshot_entries: 12,
    threads: false,
};

type Balances = Vec<(AccountId, Balance)>;

pub(super) fn id(n: usize) -> AccountId {
    n.to_string().parse().unwrap()
}

/// The batches of the script: opened accounts, then transfers, one to nine at a time.
pub(super) fn script() -> Vec<Vec<Operation>> {
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

pub(super) fn execute(ledger: &mut Ledger, operation: &Operation, chain: u32) -> (Vec<u8>, u32) {
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
pub(super) fn run(disk: &SimDisk) -> (u64, Option<StoreError>) {
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
pub(super) fn check_recovers(disk: &SimDisk, acknowledged: u64, case: &str) -> Result<u64, String> {
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
pub(super) fn append_one(disk: &SimDisk, found: u64, case: &str) {
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
pub(super) fn aftermaths(disk: &SimDisk) -> Vec<(String, SimDisk)> {
    sampled_aftermaths(disk, 5)
}

/// As [`aftermaths`], with so many in which coins decide what is kept.
pub(super) fn sampled_aftermaths(disk: &SimDisk, coins: u64) -> Vec<(String, SimDisk)> {
    let mut disks = vec![
        ("kill".to_owned(), disk.after_kill()),
        (
            "power, nothing unsynced kept".to_owned(),
            disk.after_power_loss(|| false),
        ),
        ("power, all kept".to_owned(), disk.after_power_loss(|| true)),
    ];
    disks.extend((1..=coins).map(|seed| (format!("power, seed {seed}"), disk.after_power_loss(coin(seed)))));
    disks
}

pub(super) fn operations_of_a_run() -> u64 {
    let disk = SimDisk::default();
    assert!(run(&disk).1.is_none());
    disk.operations()
}
