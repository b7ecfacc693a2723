//! The bank is killed with `kill -9` in the middle of transfers, and started again.
//!
//!     cargo run --example crash_recovery
//!
//! You will see how many transfers the bank had acknowledged when it died, and that each of them is in the journal: an
//! answer is sent only when its entry is on the disk. What was on its way may be there or not; the customers repeat it
//! with the same idempotency key, so that it happens exactly once. All accounts together hold what they held before.
//! The bank is a real process: this program starts itself a second time to be it.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bank::client::{Key, Session, TypedPin};
use bank::{PinCost, Server};
use proto::net::{ClientSettings, Dialer, Shutdown};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// One customer for each of the example accounts, PIN 1234, 10.00 each.
const CUSTOMERS: u64 = 10;
const TRANSFERS_EACH: u64 = 100;
/// After so many answers the bank is killed.
const KILLED_AFTER: usize = 400;
const ANY_FREE_PORT: &str = "127.0.0.1:0";

#[tokio::main]
async fn main() -> ExitCode {
    proto::net::cli::exit_code(run().await)
}

async fn run() -> anyhow::Result<()> {
    if let [_, word, data, address] = &std::env::args().collect::<Vec<_>>()[..]
        && word == "serve"
    {
        return serve(data.into(), address).await;
    }
    let folder = tempfile::tempdir()?;
    let mut bank = Bank::start(folder.path(), ANY_FREE_PORT)?;
    let before = total(&bank.address).await?;

    let (acknowledged, mut answers) = mpsc::channel(CUSTOMERS as usize);
    let repeated = Arc::new(AtomicU64::new(0));
    let mut customers = JoinSet::new();
    for customer in 0..CUSTOMERS {
        customers.spawn(transfers(
            bank.address.clone(),
            customer,
            acknowledged.clone(),
            repeated.clone(),
        ));
    }
    drop(acknowledged);
    let mut entries = BTreeSet::new();
    while entries.len() < KILLED_AFTER {
        entries.insert(answers.recv().await.context("the customers ended too early")?);
    }
    bank.kill()?;
    // Answers that had arrived when the bank died.
    while let Ok(entry) = answers.try_recv() {
        entries.insert(entry);
    }
    let first = *entries.first().context("there were answers")?;
    let last = *entries.last().context("there were answers")?;
    let journal = bank::audit(folder.path())?.entries;
    println!("kill -9 after {} transfers were acknowledged.", entries.len());
    println!("In the journal are entries up to {journal}; the last that was acknowledged is {last}:");
    println!("  acknowledged and lost     {}", last.saturating_sub(journal));
    println!(
        "  written, not acknowledged {}",
        journal + 1 - first - entries.len() as u64
    );
    anyhow::ensure!(last <= journal, "an acknowledged transfer is lost");

    let mut bank = Bank::start(folder.path(), &bank.address)?;
    println!("The bank is back; the customers repeat what they had no answer to, and go on.");
    while let Some(entry) = answers.recv().await {
        anyhow::ensure!(entries.insert(entry), "entry {entry} was acknowledged twice");
    }
    while let Some(customer) = customers.join_next().await {
        customer??;
    }
    let after = total(&bank.address).await?;
    bank.kill()?;
    let made = bank::audit(folder.path())?.entries + 1 - first;
    println!("  connections lost          {}", repeated.load(Ordering::Relaxed));
    println!("  transfers asked for       {}", CUSTOMERS * TRANSFERS_EACH);
    println!("  transfers in the journal  {made}");
    println!("All accounts together held {before} before and hold {after} now.");
    anyhow::ensure!(
        made == CUSTOMERS * TRANSFERS_EACH,
        "a transfer happened twice or never"
    );
    anyhow::ensure!(before == after, "money was lost or made");
    Ok(())
}

/// A customer sends a cent to each of the others in turn, and tells the entry of each answer.
async fn transfers(
    address: String,
    customer: u64,
    acknowledged: mpsc::Sender<u64>,
    lost: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut session = session(&address, customer).await?;
    session.on_notice(move |notice| {
        if matches!(notice, bank::client::Notice::Lost) {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    });
    for number in 0..TRANSFERS_EACH {
        let to = account((customer + 1 + number % (CUSTOMERS - 1)) % CUSTOMERS).parse()?;
        // The session repeats the request with this key until it knows what became of it.
        let posted = session.transfer(to, "0.01".parse()?, &Key::random()?).await?;
        acknowledged.send(posted.entry).await?;
    }
    session.leave().await;
    Ok(())
}

/// What all accounts hold together.
async fn total(address: &str) -> anyhow::Result<String> {
    let mut cents = 0;
    for customer in 0..CUSTOMERS {
        let mut session = session(address, customer).await?;
        cents += session.balance().await?.balance.replace('.', "").parse::<i64>()?;
        session.leave().await;
    }
    Ok(format!("{}.{:02}", cents / 100, cents % 100))
}

async fn session(address: &str, customer: u64) -> anyhow::Result<Session> {
    let mut session = Session::new(Dialer::Tcp(address.to_owned()), ClientSettings::new("bank"));
    session.login(&account(customer), TypedPin::new("1234")).await?;
    Ok(session)
}

/// The example accounts: `0000000000`, `1111111111`, …
fn account(digit: u64) -> String {
    digit.to_string().repeat(10)
}

/// The bank's process.
struct Bank {
    process: Child,
    address: String,
}

impl Bank {
    fn start(data: &Path, address: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(data)
            .arg(address)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().expect("it is piped");
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self {
            process,
            address: address.trim().to_owned(),
        })
    }

    /// `kill -9`: the process gets no chance to do anything.
    fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        // If something failed: leave no bank behind.
        let _ = self.kill();
    }
}

/// What the second process does: it tells its address and serves.
async fn serve(data: PathBuf, address: &str) -> anyhow::Result<()> {
    // A PIN's hash is cheap here only so that nobody need wait to log in.
    let settings = bank::Settings {
        data,
        pin_cost: PinCost::LEAST,
        ..bank::Settings::default()
    };
    let server = Server::bind(address, settings).await?;
    println!("{}", server.local_address().context("the bank listens on TCP")?);
    server.run(Shutdown::new()).await?;
    Ok(())
}
