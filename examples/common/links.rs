//! A group on loopback whose links can be cut, for the examples.

use std::sync::Arc;

use multicast::Members;
use proto::net::Listener;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::three::{at, three_members};

/// Three members, and a switch that cuts P3 off from P1 and P2.
pub(crate) struct Links {
    near: Members,
    through: Members,
    switch: Arc<Switch>,
}

impl Links {
    /// Links that are whole, and the listeners of P1, P2 and P3.
    pub(crate) async fn new() -> anyhow::Result<(Self, [Listener; 3])> {
        let (near, listeners) = three_members().await?;
        let [one, two, three] = ["P1", "P2", "P3"].map(|id| {
            let member = near.find(id).expect("one of the three");
            near.address(member).to_owned()
        });
        let switch = Arc::new(Switch {
            cut: watch::Sender::new(false),
            running: watch::Sender::new(0),
        });
        // P3 opens its connections to P1 and P2, since it comes later in the order of identities: through these two.
        let through1 = cuttable(one, switch.clone()).await?;
        let through2 = cuttable(two, switch.clone()).await?;
        let through = at([through1, through2, three])?;
        Ok((
            Self {
                near,
                through,
                switch,
            },
            listeners,
        ))
    }

    /// The group as this member has to reach it.
    pub(crate) fn members(&self, id: &str) -> Members {
        if id == "P3" { &self.through } else { &self.near }.clone()
    }

    /// Cuts P3 off: its connections are broken when this returns, and new ones lead nowhere.
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

/// What the two ways to P3 share: whether they are cut, and how many connections run through them.
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
