//! A group of three is cut in two and healed: what each side sees meanwhile and afterwards, in causal and in total order.
//!
//!     cargo run --example partition
//!
//! You will see the same story twice. In causal order (Birman, Schiper, Stephenson 1991) both sides go on: each delivers
//! what it hears of, and after the healing everybody has every message exactly once, though two concurrent messages may
//! stand in another order at each. In total order (Lamport 1978) nobody delivers anything while P2 is away, since P2 may
//! still send something that comes earlier, and afterwards the order is the same everywhere. Consistency or
//! availability: during a partition a group can have one of the two.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

#[path = "common/links.rs"]
mod links;
#[path = "common/three.rs"]
mod three;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use lamport::ProcessId;
use multicast::{Event, Group, GroupSettings, Order};
use proto::net::Listener;

use links::Links;

/// How long a delivery may take: a link that was cut is tried again after a pause that grows.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    proto::net::cli::exit_code(run().await)
}

async fn run() -> anyhow::Result<()> {
    for order in [Order::Causal, Order::Total] {
        play(order).await?;
    }
    Ok(())
}

async fn play(order: Order) -> anyhow::Result<()> {
    println!("In {} order", format!("{order:?}").to_lowercase());
    let (links, [one, two, three]) = Links::new("P2").await?;
    let mut p1 = Member::join("P1", &links, one, order).await?;
    let mut p2 = Member::join("P2", &links, two, order).await?;
    let mut p3 = Member::join("P3", &links, three, order).await?;
    p2.send("hello").await?;
    for member in [&mut p1, &mut p2, &mut p3] {
        member.until(1).await?;
    }
    println!("  all together     {}", seen([&p1, &p2, &p3]));

    links.cut().await;
    p3.send("from P3").await?;
    for member in [&mut p1, &mut p3] {
        match order {
            Order::Total => member.until_waiting_for("P2").await?,
            _ => member.until(2).await?,
        }
    }
    p2.send("from P2").await?;
    if order != Order::Total {
        p2.until(2).await?;
    }
    println!("  P2 is cut off    {}", seen([&p1, &p2, &p3]));

    links.heal();
    for member in [&mut p1, &mut p2, &mut p3] {
        member.until(3).await?;
        // That it goes on is told a little later.
        member.waiting.clear();
    }
    println!("  and back         {}\n", seen([&p1, &p2, &p3]));
    for member in [&p1, &p2, &p3] {
        let mut once = member.delivered.clone();
        once.sort();
        anyhow::ensure!(
            once == ["from P2", "from P3", "hello"],
            "{} has {once:?}",
            member.name
        );
        anyhow::ensure!(
            order != Order::Total || member.delivered == p1.delivered,
            "in total order all have the same"
        );
    }
    Ok(())
}

/// A member and what it delivered so far.
struct Member {
    name: &'static str,
    group: Group,
    delivered: Vec<String>,
    /// Whom total order waits for.
    waiting: Vec<String>,
}

impl Member {
    async fn join(
        name: &'static str,
        links: &Links,
        listener: Listener,
        order: Order,
    ) -> anyhow::Result<Self> {
        let settings = GroupSettings::new(ProcessId::new(name)?, links.members(name)).order(order);
        Ok(Self {
            name,
            group: Group::join_on(listener, settings).await?,
            delivered: Vec::new(),
            waiting: Vec::new(),
        })
    }

    async fn send(&self, text: &str) -> anyhow::Result<()> {
        self.group.handle().send(text).await?;
        Ok(())
    }

    /// Waits until so many messages are delivered.
    async fn until(&mut self, count: usize) -> anyhow::Result<()> {
        while self.delivered.len() < count {
            self.next().await?;
        }
        Ok(())
    }

    /// Waits until the group tells that it waits for this member.
    async fn until_waiting_for(&mut self, whom: &str) -> anyhow::Result<()> {
        while self.waiting != [whom] {
            self.next().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> anyhow::Result<()> {
        let events = tokio::time::timeout(PATIENCE, self.group.next())
            .await
            .ok()
            .flatten();
        for event in events.with_context(|| format!("{} heard nothing any more", self.name))? {
            match event {
                Event::Delivered(delivery) => self.delivered.push(delivery.text().to_owned()),
                Event::Waiting(members) => self.waiting = members.iter().map(ToString::to_string).collect(),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What each has delivered, in its order.
fn seen(members: [&Member; 3]) -> String {
    let one = |member: &Member| {
        let waits = match &member.waiting[..] {
            [] => String::new(),
            whom => format!(" (waits for {})", whom.join(", ")),
        };
        format!("{}: {}{waits}", member.name, member.delivered.join(" · "))
    };
    members.map(one).join("\n                   ")
}
