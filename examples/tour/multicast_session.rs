//! Scene 3, the multicast: P1, P2 and P3 send one after the other; then P3 is cut off, misses a message, and gets it
//! when the link is back.

use std::time::Duration;

use anyhow::Context as _;
use lamport::ProcessId;
use lamport::trace::{Service, Tracer};
use multicast::{Event, Group, GroupSettings, Members};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::stage::{Screen, Stage, print_side_by_side};

const SCENE: &str = "multicast";

/// How long a delivery may take: a link that was cut is tried again after a pause that grows.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays the session and checks stamps, deliveries and order.
pub(crate) fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open_scene("Multicast: three peers, and one of them cut off");
    let tracers = [
        stage.tracer(SCENE, "P1", Service::Multicast)?,
        stage.tracer(SCENE, "P2", Service::Multicast)?,
        stage.tracer(SCENE, "P3", Service::Multicast)?,
    ];
    let screens = Runtime::new()?.block_on(session(tracers))?;
    print_side_by_side(&screens);
    check(stage, &screens);
    stage.check_traces(SCENE, true)
}

async fn session([tracer1, tracer2, tracer3]: [Tracer; 3]) -> anyhow::Result<[Screen; 3]> {
    let [address1, address2, address3] = [
        free_address().await?,
        free_address().await?,
        free_address().await?,
    ];
    let (cut, link) = watch::channel(false);
    // P3 opens its connections to P1 and P2 through these two, so that they can be cut.
    let through1 = cuttable(address1.clone(), link.clone()).await?;
    let through2 = cuttable(address2.clone(), link).await?;
    let near = members([&address1, &address2, &address3])?;
    let mut p1 = Peer::join("P1", near.clone(), tracer1).await?;
    let mut p2 = Peer::join("P2", near, tracer2).await?;
    let mut p3 = Peer::join("P3", members([&through1, &through2, &address3])?, tracer3).await?;

    p1.send("Olá a todos!").await?;
    p2.see("Olá a todos!").await?;
    p3.see("Olá a todos!").await?;
    p2.send("Olá, P1!").await?;
    p1.see("Olá, P1!").await?;
    p3.see("Olá, P1!").await?;
    p3.send("Mensagem final de P3").await?;
    p1.see("Mensagem final de P3").await?;
    p2.see("Mensagem final de P3").await?;

    cut.send_replace(true);
    p3.screen.lines.push("(cut off)".to_owned());
    p1.send("P3 does not hear this").await?;
    p2.see("P3 does not hear this").await?;
    cut.send_replace(false);
    p3.screen.lines.push("(back)".to_owned());
    p3.see("P3 does not hear this").await?;
    p3.send("P3 is back").await?;
    p1.see("P3 is back").await?;
    p2.see("P3 is back").await?;
    Ok([p1.leave().await?, p2.leave().await?, p3.leave().await?])
}

fn check(stage: &mut Stage, [p1, p2, p3]: &[Screen; 3]) {
    stage.check_screen(
        SCENE,
        p1,
        &[
            "[1] Sent: Olá a todos!",
            "[4] Delivered: Olá, P1! | From=P2",
            "[6] Delivered: Mensagem final de P3 | From=P3",
            "[7] Sent: P3 does not hear this",
            "[10] Delivered: P3 is back | From=P3",
        ],
    );
    stage.check_screen(
        SCENE,
        p2,
        &[
            "[2] Delivered: Olá a todos! | From=P1",
            "[3] Sent: Olá, P1!",
            "[6] Delivered: Mensagem final de P3 | From=P3",
            "[8] Delivered: P3 does not hear this | From=P1",
            "[10] Delivered: P3 is back | From=P3",
        ],
    );
    stage.check_screen(
        SCENE,
        p3,
        &[
            "[2] Delivered: Olá a todos! | From=P1",
            "[4] Delivered: Olá, P1! | From=P2",
            "[5] Sent: Mensagem final de P3",
            "(cut off)",
            "(back)",
            "[8] Delivered: P3 does not hear this | From=P1",
            "[9] Sent: P3 is back",
        ],
    );
}

/// One member and what it printed, each line with its Lamport time.
struct Peer {
    group: Group,
    screen: Screen,
    tracer: Tracer,
}

impl Peer {
    async fn join(name: &str, members: Members, tracer: Tracer) -> anyhow::Result<Self> {
        let settings = GroupSettings::new(ProcessId::new(name)?, members).tracer(tracer.clone());
        let group = Group::join(settings).await?;
        Ok(Self {
            group,
            screen: Screen {
                title: name.to_owned(),
                lines: Vec::new(),
            },
            tracer,
        })
    }

    async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let sent = self.group.handle().send(text).await?;
        self.screen.lines.push(format!("[{}] Sent: {text}", sent.stamp));
        Ok(())
    }

    /// Waits until this text is delivered, and notes everything that is delivered on the way.
    async fn see(&mut self, text: &str) -> anyhow::Result<()> {
        let suffix = format!("Delivered: {text} | From=");
        while !self.screen.lines.iter().any(|line| line.contains(&suffix)) {
            let events = tokio::time::timeout(PATIENCE, self.group.next())
                .await
                .ok()
                .flatten();
            for event in events.with_context(|| format!("{} never delivered {text:?}", self.screen.title))? {
                if let Event::Delivered(delivery) = event
                    && !delivery.own
                {
                    let (time, from) = (delivery.received, &delivery.from);
                    self.screen
                        .lines
                        .push(format!("[{time}] Delivered: {} | From={from}", delivery.text()));
                }
            }
        }
        Ok(())
    }

    async fn leave(self) -> anyhow::Result<Screen> {
        self.group.leave().await;
        self.tracer.close()?;
        Ok(self.screen)
    }
}

fn members(addresses: [&String; 3]) -> anyhow::Result<Members> {
    let ids = ["P1", "P2", "P3"];
    let members = ids
        .into_iter()
        .zip(addresses)
        .map(|(id, address)| Ok((ProcessId::new(id)?, address.clone())));
    Ok(Members::new(members.collect::<anyhow::Result<Vec<_>>>()?)?)
}

/// An address of loopback that nobody listens on.
async fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string())
}

/// An address whose connections lead to `target`, until the link is cut.
async fn cuttable(target: String, link: watch::Receiver<bool>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (target, mut link) = (target.clone(), link.clone());
            tokio::spawn(async move {
                if *link.borrow() {
                    return;
                }
                let Ok(mut far) = TcpStream::connect(&target).await else {
                    return;
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = link.wait_for(|cut| *cut) => {}
                }
            });
        }
    });
    Ok(address)
}
