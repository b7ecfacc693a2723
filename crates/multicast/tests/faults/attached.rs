//! A client attached to a peer that is killed and comes back.

use multicast::client::{MessageName, Seen, Session, Since, Watch, settings};
use proto::net::Dialer;

use crate::checker::Order;
use crate::peers::{Group, PATIENCE, Setting};

/// Watches P2 while messages are sent at P1 and P2 is killed: those that the watch never saw.
fn watch_over_a_kill(durable: bool) -> Vec<MessageName> {
    let mut group = Group::started(Setting {
        durable,
        ..Setting::loopback(Order::Causal)
    });
    let dialer = |group: &Group, index: usize| Dialer::Tcp(group.address(index).to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let run = async {
        let mut watch = Watch::open(dialer(&group, 1), settings(), Since::Now)
            .await
            .unwrap();
        let session = Session::attach(&dialer(&group, 0), settings()).await.unwrap();
        let mut sent = Vec::new();
        let mut seen = Vec::new();
        let mut lost = 0;
        for round in 0..4 {
            for n in 0..25 {
                sent.push(session.send(&format!("{round}: {n}")).await.unwrap().message);
            }
            if round == 2 {
                group.kill(1);
                // Sent while the watched peer is away.
                for n in 0..25 {
                    sent.push(session.send(&format!("away: {n}")).await.unwrap().message);
                }
                group.start(1);
            }
            // What was sent before the kill and not seen yet may have died untold with the peer.
            while round != 2 && seen.last() != sent.last() {
                match watch.next().await.unwrap() {
                    Seen::Delivered(delivered) => seen.push(delivered.message),
                    Seen::Lost => lost += 1,
                    _ => {}
                }
            }
        }
        (sent, seen, lost)
    };
    let (sent, seen, lost) = runtime
        .block_on(async { tokio::time::timeout(PATIENCE, run).await })
        .expect("in time");
    assert_eq!(lost, 1, "the peer was killed once");
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "a message was seen twice");
    assert!(
        seen.is_sorted_by_key(|message| message.sequence),
        "out of the sender's order"
    );
    sent.into_iter()
        .filter(|message| !once.contains(message))
        .collect()
}

#[test]
fn a_watch_sees_every_message_once_over_the_kill_of_its_peer() {
    let missing = watch_over_a_kill(false);
    // Only those of the round of the kill may be missing: the peer may have delivered them without a word.
    assert!(
        missing
            .iter()
            .all(|message| (51..=75).contains(&message.sequence)),
        "missing: {missing:?}"
    );
}

#[test]
fn a_watch_misses_nothing_over_the_kill_of_a_durable_peer() {
    assert_eq!(watch_over_a_kill(true), []);
}
