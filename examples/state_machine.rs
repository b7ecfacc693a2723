//! A replicated state machine: three replicas of one account, kept equal by nothing but the group's total order.
//!
//!     cargo run --example state_machine
//!
//! You will see two replicas take 80 out of the same 100 at the same moment. Every replica applies the commands in the
//! order in which the group delivers them (F. Schneider, *Implementing Fault-Tolerant Services Using the State Machine
//! Approach*, 1990; L. Lamport 1978, section "Ordering the Events Totally"), so all accept the same one, refuse the same
//! other, and end with the same balance. No replica asks another, and no lock is taken.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

#[path = "common/three.rs"]
mod three;

use std::process::ExitCode;

use anyhow::Context as _;
use lamport::ProcessId;
use multicast::{Event, Group, GroupSettings, Members, Order};
use proto::net::Listener;

use three::three_members;

/// The commands of the whole run.
const COMMANDS: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    proto::net::cli::exit_code(run().await)
}

async fn run() -> anyhow::Result<()> {
    let (members, [one, two, three]) = three_members().await?;
    let mut p1 = Replica::join("P1", &members, one).await?;
    let mut p2 = Replica::join("P2", &members, two).await?;
    let mut p3 = Replica::join("P3", &members, three).await?;

    p3.group.handle().send("deposit 100").await?;
    for replica in [&mut p1, &mut p2, &mut p3] {
        replica.apply_until(1).await?;
    }
    // Both see 100 when they decide; neither knows of the other.
    let (first, second) = (p1.group.handle(), p2.group.handle());
    tokio::try_join!(first.send("withdraw 80"), second.send("withdraw 80"))?;
    for replica in [&mut p1, &mut p2, &mut p3] {
        replica.apply_until(COMMANDS).await?;
        println!("{}", replica.name);
        replica.account.log.iter().for_each(|line| println!("  {line}"));
    }
    anyhow::ensure!(
        p1.account == p2.account && p2.account == p3.account,
        "the replicas differ"
    );
    println!(
        "All three replicas hold {} and have the same history.",
        p1.account.balance
    );
    Ok(())
}

/// The state machine: what it does depends on its state and the command, on nothing else.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    balance: u64,
    log: Vec<String>,
}

impl Account {
    /// Applies a command that was broadcast at this stamp.
    fn apply(&mut self, stamp: (u64, &str), command: &str) {
        let amount = |text: &str| text.parse::<u64>().ok();
        let outcome = match command.split_once(' ') {
            Some(("deposit", text)) => amount(text).and_then(|amount| self.balance.checked_add(amount)),
            Some(("withdraw", text)) => amount(text).and_then(|amount| self.balance.checked_sub(amount)),
            _ => None,
        };
        let word = if outcome.is_some() { "done" } else { "refused" };
        self.balance = outcome.unwrap_or(self.balance);
        self.log.push(format!(
            "({}, {}) {command:<12} {word:<8} holds {}",
            stamp.0, stamp.1, self.balance
        ));
    }
}

/// A replica: a member of the group that applies what the group delivers, its own commands too.
struct Replica {
    name: &'static str,
    group: Group,
    account: Account,
    applied: usize,
}

impl Replica {
    async fn join(name: &'static str, members: &Members, listener: Listener) -> anyhow::Result<Self> {
        let settings = GroupSettings::new(ProcessId::new(name)?, members.clone()).order(Order::Total);
        Ok(Self {
            name,
            group: Group::join_on(listener, settings).await?,
            account: Account::default(),
            applied: 0,
        })
    }

    async fn apply_until(&mut self, count: usize) -> anyhow::Result<()> {
        while self.applied < count {
            for event in self.group.next().await.context("the group ended")? {
                if let Event::Delivered(delivery) = event {
                    self.account
                        .apply((delivery.stamp, delivery.from.as_str()), delivery.text());
                    self.applied += 1;
                }
            }
        }
        Ok(())
    }
}
