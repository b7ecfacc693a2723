//! Scene 2, the bank: Antonio at the cash machine, with the stamps of every message; then a hundred customers at once.

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use bank::client::{Key, Recorder, Session, TypedPin};
use bank::{Amount, PinCost, Server, Settings};
use lamport::ProcessId;
use lamport::trace::{Service, Tracer};
use lamport::view::Filter;
use proto::net::{ClientSettings, Dialer, Shutdown};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::stage::{Screen, Stage, print_side_by_side};

const SCENE: &str = "bank";
const PIN: &str = "1234";
const CUSTOMERS: u64 = 100;
const TRANSFERS_EACH: u64 = 10;
/// Ten customers an account, ten transfers each, ten cents at most: together what the poorest account holds.
const CENTS_MAX: u64 = 10;

/// Plays both sessions and checks stamps, balances and conservation.
pub(crate) fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open_scene("Bank: a cash machine, and a hundred customers at once");
    let data = stage.folder("bank-data")?;
    let runtime = Runtime::new()?;
    let (server_trace, antonio_trace, rush_trace) = (
        stage.tracer(SCENE, "bank", Service::Bank)?,
        stage.tracer(SCENE, "Antonio", Service::Bank)?,
        stage.tracer(SCENE, "customers", Service::Bank)?,
    );
    // A PIN's hash is cheap here only so that a hundred people need not wait to log in.
    let settings = Settings {
        data: data.clone(),
        tracer: server_trace,
        pin_cost: PinCost::LEAST,
        hashes_waiting: CUSTOMERS as usize,
        ..Settings::default()
    };
    let (screen, total) = runtime.block_on(async {
        let server = Server::bind("127.0.0.1:0", settings).await?;
        let dialer = Dialer::Tcp(
            server
                .local_address()
                .context("the bank listens on TCP")?
                .to_string(),
        );
        let shutdown = Shutdown::new();
        let serving = tokio::spawn(server.run(shutdown.clone()));
        let screen = at_the_machine(&dialer, antonio_trace).await?;
        let total = all_at_once(&dialer, &rush_trace).await?;
        shutdown.begin();
        serving.await??;
        rush_trace.close()?;
        anyhow::Ok((screen, total))
    })?;
    println!("What Antonio (account 1111111111) does, his balance, and his clock at each send and receive:");
    print_side_by_side(&[&screen]);
    println!("Then {CUSTOMERS} customers made {TRANSFERS_EACH} random transfers each, all at once.");
    let expected = [
        "log in                          [1, 4]",
        "balance              10.00      [5, 8]",
        "deposit 100.00      110.00     [9, 12]",
        "balance             110.00    [13, 16]",
        "withdraw 15.00       95.00    [17, 20]",
        "transfer 20.00       75.00    [21, 24]",
        "balance              75.00    [25, 28]",
    ];
    stage.check_screens(SCENE, &[(&screen, &expected)]);
    // Ten accounts of 10.00, a deposit of 100.00, a withdrawal of 15.00.
    stage.check(
        SCENE,
        format!("all accounts together hold {total} cents after the rush, as before it"),
        total == 18_500,
    );
    let audited = bank::audit(&data);
    stage.check(
        SCENE,
        "the journal, replayed by an independent model, gives the same ledger",
        audited.is_ok(),
    );
    stage.prove(SCENE)?;
    let antonio = Filter {
        processes: vec!["Antonio".to_owned(), "bank".to_owned()],
        to: 28,
        ..Filter::default()
    };
    stage.draw(SCENE, "Bank: Antonio at the cash machine", &antonio)
}

/// Antonio's session; each line ends with the client's clock at the send and at the receive.
async fn at_the_machine(dialer: &Dialer, tracer: Tracer) -> anyhow::Result<Screen> {
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let recorder = Recorder::new(tracer.clone(), move |line| {
        noted
            .lock()
            .expect("nobody panics with the times")
            .push(line.time);
    });
    let settings = ClientSettings {
        observer: Some(Arc::new(recorder)),
        ..ClientSettings::new("bank")
    };
    let mut session = Session::new(dialer.clone(), settings);
    let mut lines = Vec::new();
    let mut note = |what: &str, balance: &str| {
        let clock = format!(
            "{:?}",
            std::mem::take(&mut *times.lock().expect("nobody panics with the times"))
        );
        lines.push(format!("{what:<16}{balance:>10}{clock:>12}"));
    };
    session.login("1111111111", TypedPin::new(PIN)).await?;
    note("log in", "");
    note("balance", &session.balance().await?.balance);
    note(
        "deposit 100.00",
        &session.deposit("100.00".parse()?, &Key::random()?).await?.balance,
    );
    note("balance", &session.balance().await?.balance);
    note(
        "withdraw 15.00",
        &session.withdraw("15.00".parse()?, &Key::random()?).await?.balance,
    );
    let to = "0000000000".parse()?;
    note(
        "transfer 20.00",
        &session
            .transfer(to, "20.00".parse()?, &Key::random()?)
            .await?
            .balance,
    );
    note("balance", &session.balance().await?.balance);
    session.leave().await;
    tracer.close()?;
    Ok(Screen {
        title: "Antonio".to_owned(),
        lines,
    })
}

/// The rush. Returns what all accounts hold together afterwards, in cents.
async fn all_at_once(dialer: &Dialer, trace: &Tracer) -> anyhow::Result<i64> {
    let mut customers = JoinSet::new();
    for customer in 0..CUSTOMERS {
        let session = traced(dialer, trace, &format!("customer-{customer}"))?;
        customers.spawn(one_customer(session, customer));
    }
    while let Some(done) = customers.join_next().await {
        done??;
    }
    let mut total = 0;
    for account in 0..10 {
        let mut session = traced(dialer, trace, &format!("auditor-{account}"))?;
        session.login(&account_of(account), TypedPin::new(PIN)).await?;
        total += session.balance().await?.balance.replace('.', "").parse::<i64>()?;
        session.leave().await;
    }
    Ok(total)
}

/// A session that leaves a trace of its own process in a file for many.
fn traced(dialer: &Dialer, trace: &Tracer, process: &str) -> anyhow::Result<Session> {
    let recorder = Recorder::new(trace.for_process(ProcessId::new(process)?), |_| {});
    let settings = ClientSettings {
        observer: Some(Arc::new(recorder)),
        ..ClientSettings::new("bank")
    };
    Ok(Session::new(dialer.clone(), settings))
}

/// Random transfers among the ten accounts, so small that no account can run out.
async fn one_customer(mut session: Session, customer: u64) -> anyhow::Result<()> {
    session
        .login(&account_of(customer % 10), TypedPin::new(PIN))
        .await?;
    let mut random = customer;
    for _ in 0..TRANSFERS_EACH {
        // Knuth's linear congruential generator: the same transfers at every tour.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let to = account_of((customer + 1 + (random >> 33) % 9) % 10).parse()?;
        let amount =
            Amount::from_minor(1 + ((random >> 40) % CENTS_MAX) as i64).context("an amount is above zero")?;
        session.transfer(to, amount, &Key::random()?).await?;
    }
    session.leave().await;
    Ok(())
}

/// The example accounts: `0000000000`, `1111111111`, …
fn account_of(digit: u64) -> String {
    digit.to_string().repeat(10)
}
