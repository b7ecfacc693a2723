//! What members hold does not grow with the messages that pass through them: counted in the allocator, while real members send flat
//! out. What the allocator itself keeps of what it was given back is another matter.

use std::alloc::System;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lamport::ProcessId;
use multicast::{Event, Group, GroupSettings, Handle, Order};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::members::members;

#[path = "common/members.rs"]
mod members;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MEMBERS: u64 = 3;
/// Messages of each member between two looks: several times what the windows let be under way.
const LEG: u64 = 50_000;
const LEGS: usize = 6;
/// Bytes that a delivery may leave behind; the smallest thing worth forgetting to give back is a pointer.
const LEFT_BEHIND_MAX: u64 = 4;
/// Longest wait for a leg.
const SOON: Duration = Duration::from_secs(60);

/// Bytes allocated and not given back.
fn held() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

struct Running {
    handle: Handle,
    delivered: Arc<AtomicU64>,
    /// Takes what is delivered.
    application: JoinHandle<()>,
}

/// Members on loopback.
async fn start(order: Order) -> Vec<Running> {
    let members = members(MEMBERS as usize);
    let mut started = Vec::new();
    for n in 1..=MEMBERS {
        let id = ProcessId::new(&format!("P{n}")).unwrap();
        let mut group = Group::join(GroupSettings::new(id, members.clone()).order(order))
            .await
            .unwrap();
        let handle = group.handle();
        let delivered = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&delivered);
        let application = tokio::spawn(async move {
            let mut events = Vec::new();
            while group.next_into(&mut events).await {
                let deliveries = events.iter().filter(|event| matches!(event, Event::Delivered(_)));
                counter.fetch_add(deliveries.count() as u64, Ordering::Relaxed);
            }
        });
        started.push(Running {
            handle,
            delivered,
            application,
        });
    }
    started
}

/// All send a leg, and everybody has everything and keeps nothing.
async fn run_leg(members: &[Running]) {
    let before = members[0].delivered.load(Ordering::Relaxed);
    let send = |member: &Running| {
        let handle = member.handle.clone();
        tokio::spawn(async move {
            for _ in 0..LEG / 100 {
                let texts = (0..100).map(|_| Bytes::from(vec![b'x'; 100]));
                handle.send_all(texts).await.unwrap();
            }
        })
    };
    let senders: Vec<_> = members.iter().map(send).collect();
    for sender in senders {
        sender.await.unwrap();
    }
    for member in members {
        while member.delivered.load(Ordering::Relaxed) < before + MEMBERS * LEG
            || member.handle.status().unwrap().retained != Some(0)
        {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn check(order: Order) {
    let members = start(order).await;
    let mut after_leg = Vec::new();
    for _ in 0..LEGS {
        timeout(SOON, run_leg(&members))
            .await
            .expect("everything is delivered");
        after_leg.push(held());
    }
    let deliveries = (LEGS as u64 - 2) * MEMBERS * MEMBERS * LEG;
    let grown = after_leg[LEGS - 1].saturating_sub(after_leg[1]);
    assert!(
        grown <= LEFT_BEHIND_MAX * deliveries,
        "{order:?}: held after each leg: {after_leg:?}"
    );
    for member in members {
        member.application.abort();
        let _ = member.application.await;
    }
}

// One after the other: what is counted is the whole process.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_does_not_grow_with_the_messages() {
    for order in [Order::None, Order::Fifo, Order::Causal, Order::Total] {
        check(order).await;
    }
}
