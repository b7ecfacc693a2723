//! A group on loopback whose links can be cut, for the examples.

use std::sync::Arc;

use multicast::Members;
use proto::net::Listener;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::three::{at, three_members};

/// The members, each after those to which it opens connections.
const IDS: [&str; 3] = ["P1", "P2", "P3"];

/// Three members, and a switch that cuts one of them off from the others.
pub(crate) struct Links {
    alone: &'static str,
    near: [String; 3],
    /// The same members, through the switch.
    through: [String; 3],
    switch: Arc<Switch>,
}

impl Links {
    /// Links that are whole, by which `alone` can be cut off, and the listeners of P1, P2 and P3.
    pub(crate) async fn new(alone: &'static str) -> anyhow::Result<(Self, [Listener; 3])> {
        let (members, listeners) = three_members().await?;
        let near = IDS.map(|id| {
            let member = members.find(id).expect("one of the three");
            members.address(member).to_owned()
        });
        let switch = Arc::new(Switch {
            cut: watch::Sender::new(false),
            running: watch::Sender::new(0),
        });
        let mut through = near.clone();
        for address in &mut through {
            *address = cuttable(address.clone(), switch.clone()).await?;
        }
        let links = Self {
            alone,
            near,
            through,
            switch,
        };
        Ok((links, listeners))
    }

    /// The group as this member has to reach it: it opens connections to those before it in the order of identities.
    pub(crate) fn members(&self, id: &str) -> Members {
        let seen = std::array::from_fn(|to| {
            let switched = IDS[to] < id && (id == self.alone || IDS[to] == self.alone);
            let addresses = if switched { &self.through } else { &self.near };
            addresses[to].clone()
        });
        at(seen).expect("their names are good")
    }

    /// Cuts it off: its connections are broken when this returns, and new ones lead nowhere.
    pub(crate) async fn cut(&self) {
        self.switch.cut.send_replace(true);
        let mut running = self.switch.running.subscribe();
        let none = running.wait_for(|count| *count == 0).await;
        none.expect("we hold the sender");
    }

    /// Makes the links whole again.
    pub(crate) fn heal(&self) {
        self.switch.cut.send_replace(false);
    }
}

/// What the ways to it share: whether they are cut, and how many connections run through them.
struct Switch {
    cut: watch::Sender<bool>,
    running: watch::Sender<usize>,
}

/// A connection that counts as running.
struct Running(Arc<Switch>);

impl Running {
    fn new(switch: Arc<Switch>) -> Self {
        switch.running.send_modify(|count| *count += 1);
        Self(switch)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|count| *count -= 1);
    }
}

/// An address whose connections lead to `target`, until the switch cuts them.
async fn cuttable(target: String, switch: Arc<Switch>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            // Counted before it asks whether it may run, so that a cut waits for it or stops it.
            let (running, target) = (Running::new(switch.clone()), target.clone());
            let mut cut = switch.cut.subscribe();
            tokio::spawn(async move {
                let through = async {
                    let mut far = TcpStream::connect(&target).await?;
                    copy_bidirectional(&mut near, &mut far).await
                };
                tokio::select! {
                    biased;
                    _ = cut.wait_for(|cut| *cut) => {}
                    _ = through => {}
                }
                drop((near, running));
            });
        }
    });
    Ok(address)
}
