//! The bank at work on a store that tests hold in their hands.

use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::amount::Amount;
use crate::limits::STAMPS_AHEAD;
use crate::pin::{PIN_HASH_BYTES, PinHash};
use crate::store::{Batch, FileStore, StoreSettings};

const NOW: Moment = Moment { at: 1, lamport: 1 };

fn id(n: u64) -> AccountId {
    n.to_string().parse().unwrap()
}

fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn transfer(from: u64, to: u64, minor: i64) -> Operation {
    Operation::Transfer {
        from: id(from),
        to: id(to),
        amount: amount(minor),
    }
}

/// A ledger of `accounts` accounts with 10.00 each.
fn ledger(accounts: u64) -> (Ledger, Vec<u8>, u32) {
    let (mut ledger, mut bytes, mut chain) = (Ledger::new(), Vec::new(), 0);
    for n in 0..accounts {
        let pin = PinHash::from_bytes(&[1; PIN_HASH_BYTES]);
        let open = Operation::Open {
            account: id(n),
            holder: "Ana".into(),
            pin,
            balance: Amount::from_minor(1000),
        };
        let Ok(Outcome::Done(entry)) = ledger.execute(&open, None, NOW) else {
            panic!("not opened")
        };
        chain = entry.encode(chain, &mut bytes);
    }
    (ledger, bytes, chain)
}

/// A store that waits for a word before each append and each reservation of stamps, which it announces as a batch of none.
struct Gate {
    word: mpsc::Receiver<Result<(), StoreError>>,
    batches: mpsc::Sender<u32>,
    chain: u32,
}

impl Store for Gate {
    fn append(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        self.batches.send(batch.count).unwrap();
        self.chain = batch.entry_chain;
        self.word.recv().unwrap_or(Ok(()))
    }

    fn entries(&self) -> Arc<dyn ReadEntries> {
        struct None;
        impl ReadEntries for None {
            fn read(&self, number: u64) -> Result<Entry, StoreError> {
                Err(StoreError::NoEntry(number))
            }
        }
        Arc::new(None)
    }

    fn save(&mut self, _: &Ledger) -> Result<(), StoreError> {
        Ok(())
    }

    fn unsaved(&self) -> u64 {
        0
    }

    fn entry_chain(&self) -> u32 {
        self.chain
    }

    fn stamps(&self) -> u64 {
        0
    }

    fn reserve_stamps(&mut self, _: u64) -> Result<(), StoreError> {
        self.batches.send(0).unwrap();
        self.word.recv().unwrap_or(Ok(()))
    }
}

fn gated() -> (Bank, mpsc::Sender<Result<(), StoreError>>, mpsc::Receiver<u32>) {
    let (ledger, _, chain) = ledger(4);
    let ((say, word), (batches, seen)) = (mpsc::channel(), mpsc::channel());
    (
        Bank::start(Gate { word, batches, chain }, ledger).unwrap(),
        say,
        seen,
    )
}

fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    matches!(
        future.poll(&mut Context::from_waker(Waker::noop())),
        Poll::Pending
    )
}

#[tokio::test]
async fn nobody_hears_of_what_is_not_durable() {
    let (bank, say, batches) = gated();
    let first = bank.execute((1, 1), &transfer(0, 1, 5), None, NOW).await.unwrap();
    assert_eq!(batches.recv().unwrap(), 1);
    let mut answer = std::pin::pin!(first.durable());
    let reader = bank.balance((2, 2), bank.slot(id(1)).unwrap()).await.unwrap();
    let mut reader = std::pin::pin!(reader.durable());
    assert!(is_pending(answer.as_mut()) && is_pending(reader.as_mut()));
    let untouched = bank.balance((2, 2), bank.slot(id(3)).unwrap()).await.unwrap();
    assert_eq!(
        untouched.durable().await.unwrap().balance.minor(),
        1000,
        "who is not concerned does not wait"
    );

    // What comes while the store is busy goes together, afterwards.
    let later: Vec<_> = [
        bank.execute((3, 1), &transfer(0, 1, 5), None, NOW).await.unwrap(),
        bank.execute((4, 1), &transfer(1, 2, 5), None, NOW).await.unwrap(),
    ]
    .into();
    assert!(is_pending(answer.as_mut()));
    say.send(Ok(())).unwrap();
    assert!(answer.await.is_ok());
    assert_eq!(reader.await.unwrap().balance.minor(), 1005);
    assert_eq!(batches.recv().unwrap(), 2, "one batch");
    say.send(Ok(())).unwrap();
    for promise in later {
        assert!(promise.durable().await.is_ok());
    }
    bank.close().unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_once_what_it_rests_on_is_durable() {
    let (bank, say, batches) = gated();
    let drained = bank
        .execute((1, 1), &transfer(0, 1, 1000), None, NOW)
        .await
        .unwrap();
    batches.recv().unwrap();
    let refused = bank.execute((2, 1), &transfer(0, 1, 1), None, NOW).await;
    let Err(ExecuteError::Refused(refusal)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal, Refusal::InsufficientFunds { holds: Balance::ZERO });
    let mut told = std::pin::pin!(bank.refused(refusal).unwrap().durable());
    assert!(is_pending(told.as_mut()));
    let elsewhere = bank.refused(Refusal::SameAccount(id(0))).unwrap();
    assert!(
        elsewhere.durable().await.is_ok(),
        "what rests on no balance does not wait"
    );
    say.send(Ok(())).unwrap();
    assert_eq!(told.await, Ok(refusal));
    assert!(drained.durable().await.is_ok());
    bank.close().unwrap();
}

#[tokio::test]
async fn after_a_failure_nothing_is_acknowledged() {
    let (bank, say, batches) = gated();
    let flying = bank.execute((1, 1), &transfer(0, 1, 5), None, NOW).await.unwrap();
    batches.recv().unwrap();
    let gathered = bank.execute((2, 1), &transfer(2, 3, 5), None, NOW).await.unwrap();
    say.send(Err(StoreError::Poisoned)).unwrap();
    bank.failed().await;
    assert_eq!(flying.durable().await.unwrap_err(), Unavailable);
    assert_eq!(gathered.durable().await.unwrap_err(), Unavailable);
    let refused = bank.execute((3, 1), &transfer(0, 1, 5), None, NOW).await;
    assert!(matches!(refused, Err(ExecuteError::Unavailable(_))));
    assert!(bank.balance((4, 1), bank.slot(id(0)).unwrap()).await.is_err());
    assert!(bank.close().is_err());
}

#[tokio::test]
async fn closing_makes_durable_what_is_gathered() {
    let (bank, say, batches) = gated();
    let one = bank.execute((1, 1), &transfer(0, 1, 5), None, NOW).await.unwrap();
    batches.recv().unwrap();
    let two = bank.execute((2, 1), &transfer(0, 1, 5), None, NOW).await.unwrap();
    say.send(Ok(())).unwrap();
    say.send(Ok(())).unwrap();
    let closing = bank.clone();
    tokio::task::spawn_blocking(move || closing.close().unwrap())
        .await
        .unwrap();
    assert!(one.durable().await.is_ok() && two.durable().await.is_ok());
    assert!(bank.execute((3, 1), &transfer(0, 1, 5), None, NOW).await.is_err());
}

#[tokio::test]
async fn no_stamp_is_sent_before_the_disk_knows_of_it() {
    let (bank, say, reservations) = gated();
    let mut first = std::pin::pin!(bank.may_send(1));
    assert!(is_pending(first.as_mut()));
    say.send(Ok(())).unwrap();
    assert_eq!(first.await, Ok(()));
    // Half of what is reserved is used without a word; then more is asked for, and nobody waits for it.
    assert!(!is_pending(std::pin::pin!(bank.may_send(STAMPS_AHEAD / 2))));
    assert_eq!(reservations.try_iter().count(), 1);
    assert!(!is_pending(std::pin::pin!(bank.may_send(STAMPS_AHEAD / 2 + 1))));
    assert_eq!(reservations.recv(), Ok(0));
    let leap = STAMPS_AHEAD * 10;
    let mut leaps = std::pin::pin!(bank.may_send(leap));
    assert!(is_pending(leaps.as_mut()));
    say.send(Ok(())).unwrap();
    say.send(Ok(())).unwrap();
    assert_eq!(leaps.await, Ok(()));
    let mut fails = std::pin::pin!(bank.may_send(leap * 2));
    assert!(is_pending(fails.as_mut()));
    say.send(Err(StoreError::Poisoned)).unwrap();
    bank.failed().await;
    assert_eq!(fails.await, Err(Unavailable));
    assert!(bank.close().is_err());
}

#[tokio::test]
async fn stamps_are_given_back_when_nobody_uses_them_any_more() {
    let place = tempfile::tempdir().unwrap();
    let bank = on_disk(place.path(), 2);
    let begun = bank.lamport();
    bank.may_send(begun + 7).await.unwrap();
    bank.close().unwrap();
    drop(bank);
    let bank = on_disk(place.path(), 2);
    assert!(bank.lamport() >= begun + 7, "{}", bank.lamport());
    let used = bank.lamport() + 9;
    bank.may_send(used).await.unwrap();
    bank.give_back_stamps_after(used);
    bank.close().unwrap();
    drop(bank);
    assert_eq!(on_disk(place.path(), 2).lamport(), used);
}

fn on_disk(place: &std::path::Path, accounts: u64) -> Bank {
    let settings = StoreSettings {
        segment_bytes: 8 << 20,
        ..StoreSettings::default()
    };
    let (mut store, found) = FileStore::open(place, settings).unwrap();
    if found.last_entry() > 0 {
        return Bank::start(store, found).unwrap();
    }
    let (ledger, bytes, entry_chain) = ledger(accounts);
    store
        .append(&Batch {
            first_number: 1,
            count: accounts as u32,
            bytes: &bytes,
            entry_chain,
        })
        .unwrap();
    Bank::start(store, ledger).unwrap()
}

/// Jepsen's bank test: transfers of up to 5 among 8 accounts, and readers who must always see the same total.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_a_consistent_total_and_opposing_transfers_never_stick() {
    let place = tempfile::tempdir().unwrap();
    let bank = on_disk(place.path(), 8);
    let slots: Vec<Slot> = (0..8).map(|n| bank.slot(id(n)).unwrap()).collect();
    let transfers = (0..8u64).map(|client| {
        let bank = bank.clone();
        tokio::spawn(async move {
            for n in 0..12_500u64 {
                // Each pair of clients sends between two accounts against each other; the others wander.
                let (from, to) = match client {
                    0..4 => (client / 2 * 2 + client % 2, client / 2 * 2 + 1 - client % 2),
                    _ => ((client + n) % 8, (client + n * 3 + 1) % 8),
                };
                let operation = transfer(from, to, (n % 5 + 1) as i64);
                match bank.execute((n, client), &operation, None, NOW).await {
                    Ok(promise) if n % 100 == 0 => drop(promise.durable().await.unwrap()),
                    Ok(_) | Err(ExecuteError::Refused(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let readers = (0..2).map(|_| {
        let (bank, slots) = (bank.clone(), slots.clone());
        tokio::spawn(async move {
            for _ in 0..5_000 {
                let held = bank.balances(&slots).unwrap().durable().await.unwrap();
                assert_eq!(
                    held.iter().map(|held| held.minor()).sum::<i64>(),
                    8_000,
                    "{held:?}"
                );
                assert!(held.iter().all(|held| held.minor() >= 0));
                tokio::task::yield_now().await;
            }
        })
    });
    let all: Vec<_> = transfers.chain(readers).collect();
    for task in all {
        tokio::time::timeout(Duration::from_secs(120), task)
            .await
            .expect("none is stuck")
            .unwrap();
    }
    let held = bank.balances(&slots).unwrap().durable().await.unwrap();
    bank.close().unwrap();
    drop(bank);

    let bank = on_disk(place.path(), 8);
    assert_eq!(
        bank.balances(&slots).unwrap().durable().await.unwrap(),
        held,
        "a restart finds the same"
    );
    let (lines, more) = bank.statement(slots[0], None, 50).await.unwrap();
    assert!(lines.len() == 50 && more);
    let (next, _) = bank.statement(slots[0], Some(lines[49].entry), 1).await.unwrap();
    assert!(next[0].entry < lines[49].entry);
    bank.close().unwrap();
    drop(bank);
    assert_eq!(crate::model::audit(place.path()).unwrap().sum, 0);
}

#[tokio::test]
async fn who_waits_for_an_account_is_served_by_lamport_time() {
    let (bank, _say, _) = gated();
    let slot = bank.slot(id(0)).unwrap();
    let held = bank.lock(Some(slot), (0, 0)).await;
    let (order, served) = mpsc::channel();
    let tasks: Vec<_> = [(9, 1), (4, 2), (4, 1), (7, 3)]
        .map(|turn| {
            let (bank, order) = (bank.clone(), order.clone());
            tokio::spawn(async move {
                let promise = bank.execute(turn, &transfer(0, 1, 1), None, NOW).await.unwrap();
                let Outcome::Done(entry) = promise.value else {
                    panic!("not done")
                };
                order.send((entry.number, turn)).unwrap();
            })
        })
        .into();
    while bank.shared.locks[slot.0 as usize].waiting() < 4 {
        tokio::task::yield_now().await;
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    let mut served: Vec<_> = served.try_iter().collect();
    served.sort_unstable();
    assert_eq!(
        served.into_iter().map(|(_, turn)| turn).collect::<Vec<_>>(),
        [(4, 1), (4, 2), (7, 3), (9, 1)]
    );
}
