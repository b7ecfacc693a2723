//! What real members record is proved right by the rules of the group's order.

use std::time::Duration;

use lamport::ProcessId;
use lamport::check::{Check, Merge, Options, Rule};
use lamport::trace::{Service, Tracer};
use multicast::{Event, Group, GroupSettings, Order};
use tokio::time::timeout;

use self::members::members;

#[path = "common/members.rs"]
mod members;

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(20);
const MEMBERS: usize = 3;

/// Waits until the member has delivered the text, whatever it is told before.
async fn delivers(group: &mut Group, text: &str) {
    let told = async {
        while let Some(events) = group.next().await {
            let is_it =
                |event: &Event| matches!(event, Event::Delivered(delivery) if delivery.text() == text);
            let delivered = events.iter().any(is_it);
            group.taken();
            if delivered {
                return;
            }
        }
        panic!("the member has ended");
    };
    timeout(SOON, told).await.expect("the message is delivered");
}

/// Members that send in turn, each message only when everybody has the one before: then no clock moves but for what is told.
async fn check(order: Order, durable: bool) {
    let place = tempfile::tempdir().unwrap();
    let members = members(MEMBERS);
    let (mut groups, mut tracers) = (Vec::new(), Vec::new());
    for n in 1..=MEMBERS {
        let id = ProcessId::new(&format!("P{n}")).unwrap();
        let trace = place.path().join(format!("{id}.jsonl"));
        let tracer = Tracer::to_file(trace, id.clone(), Service::Multicast).unwrap();
        let settings = GroupSettings::new(id.clone(), members.clone())
            .order(order)
            .durable(durable)
            .data(place.path().join(id.as_str()))
            .tracer(tracer.clone());
        groups.push(Group::join(settings).await.unwrap());
        tracers.push(tracer);
    }
    for n in 0..2 * MEMBERS {
        let text = format!("message {n}");
        let sender = groups[n % MEMBERS].handle();
        sender.send(&text).await.unwrap();
        for group in &mut groups {
            delivers(group, &text).await;
        }
    }
    let mut merge = Merge::new();
    for group in groups {
        group.leave().await;
    }
    for (n, tracer) in (1..).zip(tracers) {
        tracer.close().unwrap();
        merge.open(place.path().join(format!("P{n}.jsonl"))).unwrap();
    }
    let report = merge.check(Check::new(Options::default())).unwrap();
    let report = report.unwrap_or_else(|violation| panic!("{order:?}, durable {durable}: {violation}"));
    let all = (2 * MEMBERS * MEMBERS) as u64;
    assert!(report.tested(Rule::TimesGrow) >= all, "{order:?}: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_traces_of_every_order_are_proved_right() {
    for order in [Order::None, Order::Fifo, Order::Causal, Order::Total] {
        for durable in [false, true] {
            check(order, durable).await;
        }
    }
}
