//! Groups of real members over TCP, driven through the library.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use lamport::ProcessId;
use multicast::client::Status;
use multicast::limits::{DATA_BYTES_MAX, LINK_SILENCE_MAX, UNSAFE_BYTES, WINDOW_BYTES, WINDOW_MESSAGES};
use multicast::{Delivery, Event, Group, GroupSettings, JoinError, Members, Order, SendError};
use tokio::sync::watch;
use tokio::time::timeout;

use self::members::members;

#[path = "common/members.rs"]
mod members;

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(20);

fn settings(members: &Members, n: usize, order: Order) -> GroupSettings {
    GroupSettings::new(ProcessId::new(&format!("P{n}")).unwrap(), members.clone()).order(order)
}

async fn group(count: usize, order: Order) -> Vec<Group> {
    let members = members(count);
    let mut groups = Vec::new();
    for n in 1..=count {
        groups.push(Group::join(settings(&members, n, order)).await.unwrap());
    }
    for group in &groups {
        linked(group).await;
    }
    groups
}

/// Waits until everybody is linked.
async fn linked(group: &Group) {
    let handle = group.handle();
    timeout(SOON, async {
        loop {
            let status = handle.status().unwrap();
            if status
                .members
                .iter()
                .all(|member| matches!(member.state.as_deref(), Some("self" | "up")))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the members link up");
}

/// Waits until a link to the member with this number was refused.
async fn refused(group: &Group, member: usize) -> Status {
    let handle = group.handle();
    let asked = async {
        loop {
            let status = handle.status().unwrap();
            if status.members[member].refused.is_some() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, asked).await.expect("the member is refused")
}

/// The next `count` deliveries.
async fn deliveries(group: &mut Group, count: usize) -> Vec<Delivery> {
    let mut delivered = Vec::new();
    while delivered.len() < count {
        let events = timeout(SOON, group.next())
            .await
            .expect("deliveries come")
            .expect("the member is there");
        delivered.extend(events.into_iter().filter_map(|event| match event {
            Event::Delivered(delivery) => Some(delivery),
            _ => None,
        }));
    }
    delivered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_alone_goes_on_sending_past_its_window() {
    let members = members(2);
    let mut alone = Group::join(settings(&members, 1, Order::Causal)).await.unwrap();
    let handle = alone.handle();
    // More messages than a window holds, then more bytes.
    let long = Bytes::from(vec![b'x'; DATA_BYTES_MAX]);
    let many = (0..=WINDOW_MESSAGES).map(|_| Bytes::from_static(b"x"));
    let big = (0..=WINDOW_BYTES / DATA_BYTES_MAX as u64).map(|_| long.clone());
    let texts: Vec<Bytes> = many.chain(big).collect();
    let count = texts.len();
    let sending = tokio::spawn(async move { handle.send_all(texts).await.unwrap().len() });
    // What waits for the application is bounded too: it has to take.
    assert_eq!(deliveries(&mut alone, count).await.len(), count);
    assert_eq!(sending.await.unwrap(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_run_has_the_stamps_of_the_rule() {
    let mut groups = group(3, Order::Causal).await;
    let mut seen = vec![Vec::new(); 3];
    for sender in 0..3 {
        groups[sender]
            .handle()
            .send(&format!("message {sender}"))
            .await
            .unwrap();
        for (n, group) in groups.iter_mut().enumerate() {
            let delivered = deliveries(group, 1).await;
            seen[n].push((delivered[0].stamp, delivered[0].received));
        }
    }
    assert_eq!(seen[0], [(1, 1), (3, 4), (5, 6)]);
    assert_eq!(seen[1], [(1, 2), (3, 3), (5, 6)]);
    assert_eq!(seen[2], [(1, 2), (3, 4), (5, 5)]);
    for group in groups {
        group.leave().await;
    }
}

/// All members send at once: everybody delivers everything once, and in the group's order.
async fn check_flood(order: Order, each: usize) {
    let mut groups = group(3, order).await;
    let senders: Vec<_> = groups
        .iter()
        .map(|group| {
            let handle = group.handle();
            tokio::spawn(async move {
                for chunk in 0..each / 100 {
                    let texts = (0..100).map(|n| Bytes::from(format!("{} {}", handle.id(), chunk * 100 + n)));
                    handle.send_all(texts).await.unwrap();
                }
            })
        })
        .collect();
    let receivers: Vec<_> = groups
        .drain(..)
        .map(|mut group| tokio::spawn(async move { (deliveries(&mut group, 3 * each).await, group) }))
        .collect();
    let mut sequences = Vec::new();
    let mut alive = Vec::new();
    for receiver in receivers {
        let (delivered, group) = receiver.await.unwrap();
        let names: BTreeSet<_> = delivered.iter().map(Delivery::name).collect();
        assert_eq!(names.len(), 3 * each, "exactly once");
        if order != Order::None {
            for id in ["P1", "P2", "P3"] {
                let sequence = delivered
                    .iter()
                    .filter(|d| d.from.as_str() == id)
                    .map(|d| d.sequence);
                assert!(sequence.eq(1..=each as u64), "{id} in the order sent");
            }
        }
        sequences.push(delivered.iter().map(Delivery::name).collect::<Vec<_>>());
        alive.push(group);
    }
    if order == Order::Total {
        assert!(
            sequences.windows(2).all(|pair| pair[0] == pair[1]),
            "one order for all"
        );
    }
    for sender in senders {
        sender.await.unwrap();
    }
    for group in alive {
        group.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_delivered_once_everywhere_without_order() {
    check_flood(Order::None, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_delivered_once_everywhere_in_causal_order() {
    check_flood(Order::Causal, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_delivered_once_everywhere_in_one_order() {
    check_flood(Order::Total, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_comes_back_gets_what_it_missed() {
    let members = members(3);
    let mut one = Group::join(settings(&members, 1, Order::Causal)).await.unwrap();
    let two = Group::join(settings(&members, 2, Order::Causal)).await.unwrap();
    one.handle().send("before").await.unwrap();
    // The third starts for the first time after that, and gets it.
    let mut three = Group::join(settings(&members, 3, Order::Causal)).await.unwrap();
    assert_eq!(deliveries(&mut three, 1).await[0].text(), "before");
    three.leave().await;
    one.handle().send("while away").await.unwrap();
    let mut three = Group::join(settings(&members, 3, Order::Causal)).await.unwrap();
    // It lost its state, and may deliver again what the others did not yet know it had.
    let mut delivered = deliveries(&mut three, 1).await;
    if delivered.last().is_some_and(|last| last.text() == "before") {
        delivered = deliveries(&mut three, 1).await;
    }
    assert_eq!(delivered.last().map(Delivery::text), Some("while away"));
    assert_eq!(deliveries(&mut one, 2).await.len(), 2);
    for group in [one, two, three] {
        group.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_without_the_secret_are_refused_and_nobodys_clock_moves() {
    let members = members(2);
    let secret = |text: &str| Some(text.as_bytes().to_vec());
    let one = Group::join(settings(&members, 1, Order::Causal).secret(secret("right")))
        .await
        .unwrap();
    let two = Group::join(settings(&members, 2, Order::Causal).secret(secret("wrong")))
        .await
        .unwrap();
    two.handle().send("let me in").await.unwrap();
    // Who dials hears the other's proof first, and refuses it.
    let status = refused(&two, 0).await;
    let why = status.members[0].refused.as_deref().unwrap();
    assert!(why.starts_with("wrong_secret"), "{why}");
    let status = one.handle().status().unwrap();
    assert_eq!((status.lamport, status.delivered), (Some(0), Some(0)));
    assert_eq!(status.members[1].state.as_deref(), Some("down"));
    two.leave().await;
    let two = Group::join(settings(&members, 2, Order::Causal).secret(secret("right")))
        .await
        .unwrap();
    linked(&two).await;
    for group in [one, two] {
        group.leave().await;
    }
}

/// The wire would carry a likeness of such bytes, and the others deliver something else than their sender.
#[tokio::test]
async fn what_is_no_text_is_refused_with_all_that_comes_with_it() {
    let group = Group::join(settings(&members(1), 1, Order::None)).await.unwrap();
    let texts = [Bytes::from_static(b"whole"), Bytes::from_static(b"brok\xc3")];
    assert_eq!(group.handle().send_all(texts).await, Err(SendError::NotText));
    assert_eq!(group.handle().status().unwrap().sent, Some(0));
    group.leave().await;
}

#[tokio::test]
async fn what_cannot_join_says_why() {
    let members = members(1);
    let stranger = GroupSettings::new(ProcessId::new("P9").unwrap(), members.clone());
    assert!(matches!(
        Group::join(stranger).await,
        Err(JoinError::NotAMember(_))
    ));
    let open = Members::new([(ProcessId::new("P1").unwrap(), "0.0.0.0:0".to_owned())]).unwrap();
    assert!(matches!(
        Group::join(settings(&open, 1, Order::None)).await,
        Err(JoinError::SecretNeeded(_))
    ));
    let first = Group::join(settings(&members, 1, Order::None)).await.unwrap();
    assert!(matches!(
        Group::join(settings(&members, 1, Order::None)).await,
        Err(JoinError::Listen { .. })
    ));
    first.leave().await;
}

/// A member whose application takes nothing is connected and alive: the others wait for it, longer than for a silent link, and it
/// loses nothing. The payloads are large enough to fill the sockets' buffers.
#[tokio::test(flavor = "multi_thread")]
async fn who_never_takes_holds_the_others_back() {
    const PAYLOAD: usize = 2048;
    let mut groups = group(2, Order::Causal).await;
    let mut stuck = groups.pop().expect("two members");
    let mut other = groups.pop().expect("two members");
    let handle = other.handle();
    let sender = other.handle();
    let (count, mut sent) = watch::channel(0);
    let sending = tokio::spawn(async move {
        let text = Bytes::from(vec![b'x'; PAYLOAD]);
        while sender.send_all([text.clone()]).await.is_ok() {
            count.send_modify(|sent| *sent += 1);
        }
    });
    let taking = tokio::spawn(async move { while other.next().await.is_some() {} });
    // Nothing is sent any more for longer than a link may be silent. Who does not wait for the other sends on and on.
    let stands_still = async { while timeout(3 * LINK_SILENCE_MAX / 2, sent.changed()).await.is_ok() {} };
    timeout(6 * LINK_SILENCE_MAX, stands_still)
        .await
        .expect("it is waited for");
    let held = *sent.borrow();
    assert!(
        (held * PAYLOAD) as u64 <= UNSAFE_BYTES,
        "{held} messages were sent to somebody who takes none"
    );
    let status = handle.status().unwrap();
    assert_eq!(status.members[1].state.as_deref(), Some("up"));
    let delivered = deliveries(&mut stuck, held + 1000).await;
    let sequences = delivered.iter().map(|delivery| delivery.sequence);
    assert!(sequences.eq(1..=delivered.len() as u64), "everything, in order");
    sending.abort();
    taking.abort();
}
