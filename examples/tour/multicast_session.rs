//! Scene 3, the multicast: P1, P2 and P3 send one after the other; then P3 is cut off and both sides send; what each
//! missed it gets when the link is back.

use std::time::Duration;

use anyhow::Context as _;
use lamport::ProcessId;
use lamport::trace::{Service, Tracer};
use lamport::view::Filter;
use multicast::{Event, Group, GroupSettings};
use proto::net::Listener;
use tokio::runtime::Runtime;

use crate::links::Links;
use crate::stage::{Screen, Stage, print_side_by_side};

const SCENE: &str = "multicast";
const TITLE: &str = "Multicast: three peers, and one of them cut off";

/// How long a delivery may take: a link that was cut is tried again after a pause that grows.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays the session and checks stamps, deliveries and order.
pub(crate) fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open_scene(TITLE);
    let tracers = [
        stage.tracer(SCENE, "P1", Service::Multicast)?,
        stage.tracer(SCENE, "P2", Service::Multicast)?,
        stage.tracer(SCENE, "P3", Service::Multicast)?,
    ];
    let screens = Runtime::new()?.block_on(session(tracers))?;
    print_side_by_side(&screens.each_ref());
    check(stage, &screens);
    stage.prove(SCENE)?;
    let from_the_first_message = Filter {
        from: 1,
        ..Filter::default()
    };
    stage.draw(SCENE, TITLE, &from_the_first_message)
}

async fn session([tracer1, tracer2, tracer3]: [Tracer; 3]) -> anyhow::Result<[Screen; 3]> {
    let (links, [one, two, three]) = Links::new("P3").await?;
    let mut p1 = Peer::join("P1", &links, one, tracer1).await?;
    let mut p2 = Peer::join("P2", &links, two, tracer2).await?;
    let mut p3 = Peer::join("P3", &links, three, tracer3).await?;

    p1.send("Olá a todos!").await?;
    p2.see("Olá a todos!").await?;
    p3.see("Olá a todos!").await?;
    p2.send("Olá, P1!").await?;
    p1.see("Olá, P1!").await?;
    p3.see("Olá, P1!").await?;
    p3.send("Mensagem final de P3").await?;
    p1.see("Mensagem final de P3").await?;
    p2.see("Mensagem final de P3").await?;

    links.cut().await;
    p3.screen.lines.push("(cut off)".to_owned());
    // Neither of the next two can have caused the other: they are concurrent.
    p1.send("P3 does not hear this").await?;
    p2.see("P3 does not hear this").await?;
    p3.send("Can you hear me?").await?;
    links.heal();
    p3.screen.lines.push("(back)".to_owned());
    p3.see("P3 does not hear this").await?;
    p1.see("Can you hear me?").await?;
    p2.see("Can you hear me?").await?;
    p3.send("P3 is back").await?;
    p1.see("P3 is back").await?;
    p2.see("P3 is back").await?;
    Ok([p1.leave().await?, p2.leave().await?, p3.leave().await?])
}

fn check(stage: &mut Stage, [p1, p2, p3]: &[Screen; 3]) {
    let screens: [(&Screen, &[&str]); 3] = [
        (
            p1,
            &[
                "[1] Sent: Olá a todos!",
                "[4] Delivered: Olá, P1! | From=P2",
                "[6] Delivered: Mensagem final de P3 | From=P3",
                "[7] Sent: P3 does not hear this",
                "[8] Delivered: Can you hear me? | From=P3",
                "[10] Delivered: P3 is back | From=P3",
            ],
        ),
        (
            p2,
            &[
                "[2] Delivered: Olá a todos! | From=P1",
                "[3] Sent: Olá, P1!",
                "[6] Delivered: Mensagem final de P3 | From=P3",
                "[8] Delivered: P3 does not hear this | From=P1",
                "[9] Delivered: Can you hear me? | From=P3",
                "[10] Delivered: P3 is back | From=P3",
            ],
        ),
        (
            p3,
            &[
                "[2] Delivered: Olá a todos! | From=P1",
                "[4] Delivered: Olá, P1! | From=P2",
                "[5] Sent: Mensagem final de P3",
                "(cut off)",
                "[6] Sent: Can you hear me?",
                "(back)",
                "[8] Delivered: P3 does not hear this | From=P1",
                "[9] Sent: P3 is back",
            ],
        ),
    ];
    stage.check_screens(SCENE, &screens);
}

/// One member and what it printed, each line with its Lamport time.
struct Peer {
    group: Group,
    screen: Screen,
    tracer: Tracer,
}

impl Peer {
    async fn join(name: &str, links: &Links, listener: Listener, tracer: Tracer) -> anyhow::Result<Self> {
        let settings = GroupSettings::new(ProcessId::new(name)?, links.members(name)).tracer(tracer.clone());
        let group = Group::join_on(listener, settings).await?;
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
