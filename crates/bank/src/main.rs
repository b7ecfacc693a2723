//! The bank server and its tools: `cargo run -p bank`.

mod args;
mod explain;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use args::{Args, Command};
use bank::{NewAccount, Server, Settings, Vault};
use lamport::ProcessId;
use lamport::trace::Service;
use proto::net::cli::{exit_code, hinted, log_to_stderr, parse};
use proto::net::{Shutdown, raise_open_files_limit};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse("BANK");
    let result = match args.command {
        None => serve(args).await,
        Some(_) => tokio::task::spawn_blocking(|| manage(args))
            .await
            .map_err(Into::into)
            .and_then(|done| done)
            .map_err(explain::command),
    };
    exit_code(result)
}

async fn serve(args: Args) -> anyhow::Result<()> {
    log_to_stderr(&args.observe.log)?;
    if let Err(error) = raise_open_files_limit() {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
    let tracer = args
        .observe
        .trace
        .tracer(Service::Bank, || ProcessId::new("bank"))?;
    let settings = Settings {
        tracer,
        ..args.settings()
    };
    let page = args.page.address();
    let page_listen = page.as_ref().map(|page| page.listen.clone());
    let started = match page {
        Some(page) => Server::bind_with_page(&args.listen, page, settings).await,
        None => Server::bind(&args.listen, settings).await,
    };
    let server = started.map_err(|error| explain::start(error, page_listen.as_deref()))?;
    let address = server
        .local_address()
        .context("the server listens on no address")?;
    // Before anybody is told that the server is there: who knows it may end it.
    let shutdown = Shutdown::at_signals();
    print(&format!("{address}"))?;
    tracing::info!(%address, accounts = server.bank().accounts(), "listening");
    server.run(shutdown).await.map_err(|error| {
        hinted(
            error,
            "nothing unacknowledged is lost; free space or mend the disk, then start again",
        )
    })?;
    tracing::info!("stopped");
    Ok(())
}

/// What is done while no server has the data.
fn manage(args: Args) -> anyhow::Result<()> {
    log_to_stderr(&args.observe.log)?;
    let (open, open_existing) = (|| Vault::open(&args.data), || Vault::open_existing(&args.data));
    let cost = args.pin_cost();
    match args.command.as_ref().expect("only commands come here") {
        Command::Audit => print(&serde_json::to_string(&bank::audit(&args.data)?)?),
        Command::RecoverStamps => {
            let mark = bank::recover_stamps(&args.data)?;
            print(&format!("stamps recovered: Lamport times go on after {mark}"))
        }
        Command::Export { directory } => {
            let count = open_existing()?.export(directory)?;
            print(&format!("{count} accounts exported"))
        }
        Command::Import { directory, pin, .. } => {
            let pin = args::pin(pin.as_deref())?;
            let count = open()?.import(directory, &pin, cost)?;
            print(&format!("{count} accounts imported"))
        }
        Command::Open {
            account,
            holder,
            balance,
            pin,
            ..
        } => {
            let new = NewAccount {
                account: *account,
                holder: holder.clone(),
                balance: *balance,
                pin: args::pin(pin.as_deref())?,
            };
            open()?.open_accounts(&[new], cost)?;
            print(&format!("account {account} opened"))
        }
        Command::Close { account } => {
            open_existing()?.close_account(*account)?;
            print(&format!("account {account} closed"))
        }
        Command::Generate { accounts, entries } => {
            bank::generate(&args.data, *accounts, *entries)?;
            print(&format!("{accounts} accounts and {entries} entries made"))
        }
    }
}

/// Data goes to stdout, a line at a time; the first line of a server is its address.
fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}
