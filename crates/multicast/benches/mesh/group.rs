//! A member of the group itself, through the library.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::BytesMut;
use lamport::ProcessId;
use lamport::trace::{Service, Tracer};
use multicast::core::Order;
use multicast::{Event, Group, GroupSettings, Handle, Members};
use tokio::runtime::{self, Runtime};

use crate::member::Frames;
use crate::payload::PAYLOAD_BYTES;
use crate::tally::{MEMBERS, Tally};

/// How long the others may take to be linked.
const PATIENCE: Duration = Duration::from_secs(10);

/// One member's sending end; what it delivers goes into the tally on a task of its own.
pub(crate) struct Joined {
    runtime: Runtime,
    handle: Handle,
    tracer: Tracer,
    /// The payloads of the batch, one behind the other.
    payloads: BytesMut,
}

impl Joined {
    /// Joins and waits until everybody is linked.
    pub(crate) fn join(
        order: Order,
        listener: TcpListener,
        index: usize,
        addresses: &[SocketAddr],
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
        let ids: Vec<ProcessId> = (0..MEMBERS)
            .map(|n| ProcessId::new(&name(n)))
            .collect::<Result<_, _>>()?;
        let members = Members::new(ids.iter().cloned().zip(addresses.iter().map(ToString::to_string)))?;
        let tracer = match std::env::var_os("MESH_TRACES") {
            None => Tracer::off(),
            Some(folder) => {
                let file = Path::new(&folder).join(format!("{}.jsonl", ids[index]));
                Tracer::to_file(file, ids[index].clone(), Service::Multicast)?
            }
        };
        let settings = GroupSettings::new(ids[index].clone(), members)
            .order(order)
            .tracer(tracer.clone());
        listener.set_nonblocking(true)?;
        let mut group = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            anyhow::Ok(Group::join_on(listener.into(), settings).await?)
        })?;
        let handle = group.handle();
        runtime.spawn(async move {
            let mut events = Vec::new();
            while group.next_into(&mut events).await {
                for event in &events {
                    if let Event::Delivered(delivery) = event {
                        tally.deliver(place(&delivery.from), &delivery.data);
                    }
                }
                tally.look();
            }
        });
        let joined = Self {
            runtime,
            handle,
            tracer,
            payloads: BytesMut::new(),
        };
        joined.wait_for_links()?;
        Ok(joined)
    }

    fn wait_for_links(&self) -> anyhow::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let status = self.handle.status().context("the member has left")?;
            let up = status
                .members
                .iter()
                .filter(|member| matches!(member.state.as_deref(), Some("self" | "up")));
            if up.count() == MEMBERS {
                return Ok(());
            }
            ensure!(
                Instant::now() < give_up,
                "the members are not linked after {PATIENCE:?}: {status:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]) {
        self.payloads.extend_from_slice(payload);
    }

    pub(crate) async fn flush(&mut self) -> anyhow::Result<()> {
        let mut payloads = self.payloads.split().freeze();
        let batch = std::iter::from_fn(|| (!payloads.is_empty()).then(|| payloads.split_to(PAYLOAD_BYTES)));
        self.handle.send_all(batch).await?;
        Ok(())
    }

    pub(crate) fn runtime(&self) -> runtime::Handle {
        self.runtime.handle().clone()
    }

    /// Ends the trace, so that it says what it holds.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        self.tracer.close()?;
        Ok(())
    }

    pub(crate) fn frames(&mut self) -> Option<Frames> {
        let frames = self.handle.status()?.frames?;
        Some(Frames {
            payload_sent: frames.payload_sent,
            control_sent: frames.control_sent,
        })
    }
}

fn name(index: usize) -> String {
    format!("P{}", index + 1)
}

fn place(id: &ProcessId) -> usize {
    usize::from(id.as_str().as_bytes()[1] - b'1')
}
