//! Filling a directory for measurements.

use std::path::Path;

use crate::account::AccountId;
use crate::amount::Amount;
use crate::ledger::{Ledger, Moment, Operation, Outcome};
use crate::limits::PENDING_BYTES_MAX;
use crate::pin::{Pin, PinCost, PinHash};
use crate::setup::SetupError;
use crate::store::{Batch, FileStore, Store as _, StoreSettings};

/// The account that stands at place `n`.
fn generated_account(n: u32) -> AccountId {
    format!("{n:010}").parse().expect("ten digits are an RG")
}

/// Fills the empty directory with `accounts` accounts, 0000000000 and on, with 1,000.00 each and the PIN 1234, and
/// `entries` transfers among them, the same ones each time.
///
/// # Errors
///
/// [`SetupError`]; `Filled` if there is a bank in the directory.
pub fn generate(directory: &Path, accounts: u32, entries: u64) -> Result<(), SetupError> {
    let pin: Pin = "1234".parse().expect("four digits are a PIN");
    let pin = PinHash::new(&pin, [0; 16], PinCost::LEAST);
    // The figures are about replaying: no snapshots are made on the way.
    let settings = StoreSettings {
        snapshot_entries: u64::MAX,
        ..StoreSettings::default()
    };
    let (mut store, mut ledger) = FileStore::open(directory, settings)?;
    if ledger.last_entry() > 0 {
        return Err(SetupError::Filled(directory.to_owned()));
    }
    let opening = (0..accounts).map(|n| Operation::Open {
        account: generated_account(n),
        holder: format!("Holder {n}").into(),
        pin: pin.clone(),
        balance: Amount::from_minor(100_000),
    });
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = move |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let transfers = (0..entries).map(|_| {
        let from = below(accounts.into());
        let to = (from + 1 + below(u64::from(accounts) - 1)) % u64::from(accounts);
        let amount = Amount::from_minor(below(100) as i64 + 1).expect("one or more");
        Operation::Transfer {
            from: generated_account(from as u32),
            to: generated_account(to as u32),
            amount,
        }
    });
    let mut operations = opening.chain(transfers).peekable();
    while operations.peek().is_some() {
        append(&mut store, &mut ledger, &mut operations)?;
    }
    Ok(())
}

/// Makes one batch of operations durable.
fn append(
    store: &mut FileStore,
    ledger: &mut Ledger,
    operations: &mut impl Iterator<Item = Operation>,
) -> Result<(), SetupError> {
    let first_number = ledger.last_entry() + 1;
    let (mut bytes, mut entry_chain, mut count) = (Vec::new(), store.entry_chain(), 0);
    while let Some(operation) = (bytes.len() < PENDING_BYTES_MAX)
        .then(|| operations.next())
        .flatten()
    {
        match ledger.execute(&operation, None, Moment { at: 0, lamport: 0 }) {
            Ok(Outcome::Done(entry)) => {
                entry_chain = entry.encode(entry_chain, &mut bytes);
                count += 1;
            }
            Ok(Outcome::Refused(_) | Outcome::Seen(_)) => unreachable!("there is no key to be remembered"),
            Err(refusal) => {
                if let Operation::Open { account, .. } = operation {
                    return Err(SetupError::Refused { account, refusal });
                }
            }
        }
    }
    if count > 0 {
        store.append(&Batch {
            first_number,
            count,
            bytes: &bytes,
            entry_chain,
        })?;
    }
    Ok(())
}
