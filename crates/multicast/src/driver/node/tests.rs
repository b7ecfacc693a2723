use super::*;
use crate::core::frame::Promise;
use crate::core::{Order, Peer, Settings};
use crate::driver::recall::Recall;
use crate::group::GroupSettings;
use crate::group_file::Members;

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
            session: 1,
            frames: vec![promise],
        };
        let published = node.engine.publish(&Idle(&node), 1, &mut batch);
        assert_eq!(published, Ok(true), "the batch before is taken");
        tokio::task::yield_now().await;
    }
    node.leave();
    clock.await.unwrap();
}
