use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::*;
use crate::core::frame::Promise;
use crate::core::{Order, Peer, Settings};
use crate::driver::recall::Recall;
use crate::group::GroupSettings;
use crate::group_file::Members;
use crate::limits::{DATA_BYTES_MAX, INBOX_EVENTS_MAX, LOCAL_BATCH_MAX, STORING_BYTES_MAX};

/// The first member of a group, linked with nobody.
fn node(settings: &GroupSettings) -> Arc<Node> {
    let (me, incarnation) = (Member::new(0), 1);
    let recall = Recall::open(settings, me).unwrap();
    let mut core = Settings::new(me, settings.members().len(), Order::Fifo);
    core.durable = recall.is_durable();
    let peer = Peer::new(core, recall.memory(incarnation));
    let members = Arc::new(settings.members().clone());
    let engine = Engine::new(peer, members, Order::Fifo, &lamport::trace::Tracer::off());
    Node::new_cyclic(|node| recall.keep(engine, node))
}

fn settings() -> GroupSettings {
    GroupSettings::new("P1".parse().unwrap(), Members::builtin()).order(Order::Fifo)
}

/// Whether `future` is done at the first look.
fn is_ready(future: impl Future) -> bool {
    pin!(future)
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

/// One that takes nothing of what links leave.
struct Idle<'a>(&'a Node);

impl Combiner<Engine, Batch> for Idle<'_> {
    fn combine<R>(
        &self,
        mut hold: Hold<'_, Engine, Batch>,
        work: impl FnOnce(&mut Engine) -> R,
    ) -> Option<R> {
        Some(work(&mut hold))
    }

    fn hand_over(&self) {
        self.0.hand_over();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_is_taken_before_the_next_deadline() {
    let node = node(&settings());
    let clock = tokio::spawn({
        let node = Arc::clone(&node);
        async move { node.keep_time().await }
    });
    // As long as this task has something to do the time stands still.
    for _ in 0..3 {
        tokio::task::yield_now().await;
        let promise = Frame::Promise(Promise {
            incarnation: 1,
            clock: 1,
            sent: 0,
        });
        let mut batch = Batch {
            link_number: 1,
            frames: vec![promise],
        };
        let published = node.engine.publish(&Idle(&node), 1, &mut batch);
        assert_eq!(published, Ok(true), "the batch before is taken");
        tokio::task::yield_now().await;
    }
    node.leave();
    clock.await.unwrap();
}

#[test]
fn a_link_of_a_durable_member_does_not_wait_for_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let node = node(&settings().data(directory.path().to_owned()).durable(true));
    std::thread::scope(|threads| {
        let (leave, left) = std::sync::mpsc::channel();
        let (node, idle) = (&node, &Idle(&node));
        let seen = node.engine.look(idle, |_| {
            threads.spawn(move || {
                assert!(node.frames(Member::new(1), 1, &mut Vec::new()));
                leave.send(is_ready(node.room()))
            });
            // Longer than anything takes; a link that waits for the engine would do so for ever.
            left.recv_timeout(Duration::from_secs(20))
        });
        assert_eq!(seen, Ok(Ok(true)));
    });
    node.leave();
}

#[tokio::test]
async fn who_sends_to_a_durable_member_waits_until_its_disk_has_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let node = node(&settings().data(directory.path().to_owned()).durable(true));
    let payload = Bytes::from(vec![b'x'; DATA_BYTES_MAX]);
    // Of each message the disk gets what was sent and what was delivered.
    let taken = STORING_BYTES_MAX.div_ceil(2 * DATA_BYTES_MAX);
    let all = taken + LOCAL_BATCH_MAX;
    let (mut data, mut sent) = (VecDeque::from(vec![payload; all]), Vec::new());
    // Nothing is known to be stored as long as the engine is held.
    let accepted = node.with(|engine| engine.send(&mut data, &mut sent));
    assert_eq!((accepted, sent.len()), (Some(Accepted::Closed), taken));
    let application = async {
        let (mut told, mut events) = (0, Vec::new());
        while told < all && node.take(&mut events).await {
            told += events.len();
        }
        told
    };
    let (rest, told) = futures::join!(node.send(data), application);
    assert_eq!((rest.unwrap().len(), told), (LOCAL_BATCH_MAX, all));
    node.leave();
}

/// What a durable member tells is safe for the group as soon as it is stored, so that nothing else holds senders and links back.
#[tokio::test]
async fn who_sends_to_a_durable_member_waits_until_its_application_takes_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let node = node(&settings().data(directory.path().to_owned()).durable(true));
    let batch = || VecDeque::from(vec![Bytes::from_static(b"x"); LOCAL_BATCH_MAX]);
    for sent in (0..INBOX_EVENTS_MAX).step_by(LOCAL_BATCH_MAX) {
        assert!(is_ready(node.room()), "{sent} events leave room");
        // Once they are sent they are stored and told.
        assert_eq!(node.send(batch()).await.unwrap().len(), LOCAL_BATCH_MAX);
    }
    assert!(!is_ready(node.room()));
    {
        let mut send = pin!(node.send(batch()));
        assert!(is_ready(futures::future::poll_immediate(&mut send)));
        assert_eq!(node.status().unwrap().sent, Some(INBOX_EVENTS_MAX as u64));
        let mut events = Vec::new();
        assert!(node.take(&mut events).await);
        assert_eq!(events.len(), INBOX_EVENTS_MAX);
        assert_eq!(send.await.unwrap().len(), LOCAL_BATCH_MAX);
    }
    node.leave();
}

#[test]
fn why_a_member_is_not_linked_is_news_once() {
    let node = node(&settings());
    let other = Member::new(1);
    let told = [
        "of another order",
        "of another order",
        "not connected",
        "of another order",
    ];
    let news = told.map(|why| node.not_linked(other, why.to_owned()));
    assert_eq!(news, [true, false, true, true]);
}
