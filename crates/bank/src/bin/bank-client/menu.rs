//! The ATM: account and PIN, then one operation after the other until the customer leaves.

use anyhow::Context;
use bank::client::{Key, LoggedIn, OperationError, Session, TypedPin};
use bank::{AccountId, Amount};
use jiff::tz::TimeZone;
use proto::Harmless;
use proto::net::cli::hinted;

use super::args::Args;
use super::console::Console;
use super::{Failure, commands, exit, show};

/// Entries of a statement on the screen.
const STATEMENT_ENTRIES: u64 = 20;

const MENU: &str = "\n  1  Balance\n  2  Withdrawal\n  3  Deposit\n  4  Transfer\n  5  Statement\n  0  Leave";

/// Serves one customer until they leave or there is no more input.
pub(super) async fn serve(
    args: &Args,
    session: &mut Session,
    console: &mut impl Console,
) -> Result<(), Failure> {
    if console.is_interactive() {
        console.tell(&format!("The bank at {}", Harmless(args.address())))?;
    }
    let Some(logged_in) = log_in(args, session, console).await? else {
        return Err(Failure {
            code: exit::LOGIN_REFUSED,
            error: hinted(
                anyhow::Error::msg("nobody logged in"),
                "type an account and its PIN, or give a command: `bank-client --help` lists them",
            ),
        });
    };
    let name = if logged_in.holder.is_empty() {
        &logged_in.account
    } else {
        &logged_in.holder
    };
    console.show(&format!("Welcome, {}.", Harmless(name)))?;
    loop {
        if console.is_interactive() {
            console.tell(MENU)?;
        }
        let Some(choice) = console.ask("Choose: ").await? else {
            return Ok(());
        };
        let done = match choice.trim() {
            "" => continue,
            "0" => {
                console.show("Goodbye.")?;
                return Ok(());
            }
            "1" => balance(session, console).await,
            "2" => withdrawal(session, console).await,
            "3" => deposit(session, console).await,
            "4" => transfer(session, console).await,
            "5" => statement(session, console).await,
            _ => {
                console.tell("There is no such choice: type a number from 0 to 5.")?;
                continue;
            }
        };
        match done {
            Ok(()) => {}
            Err(Interrupted::NoMoreInput) => return Ok(()),
            Err(Interrupted::WentBack) => console.tell("Nothing was done.")?,
            Err(Interrupted::Console(error)) => return Err(error.into()),
            Err(Interrupted::Operation(error)) => {
                tell_error(console, &error)?;
                if matches!(
                    error,
                    OperationError::LoginRefused(_) | OperationError::NotLoggedIn
                ) {
                    // The PIN was changed elsewhere, or the account closed: nothing more can be done here.
                    return Err(error.into());
                }
            }
        }
    }
}

/// Why an operation did not come to its end.
enum Interrupted {
    NoMoreInput,
    WentBack,
    Console(anyhow::Error),
    Operation(OperationError),
}

impl From<anyhow::Error> for Interrupted {
    fn from(error: anyhow::Error) -> Self {
        Self::Console(error)
    }
}

impl From<OperationError> for Interrupted {
    fn from(error: OperationError) -> Self {
        Self::Operation(error)
    }
}

/// Asks for account and PIN until a login succeeds; nothing when there is no more input. What stands on the command
/// line is tried first, once.
async fn log_in(
    args: &Args,
    session: &mut Session,
    console: &mut impl Console,
) -> Result<Option<LoggedIn>, Failure> {
    let mut given = args.account.map(|account| account.to_string());
    loop {
        let first_try = given.is_some();
        let account = match given.take() {
            Some(account) => account,
            None => match console.ask("Account (RG): ").await? {
                Some(account) => account.trim().to_owned(),
                None => return Ok(None),
            },
        };
        if account.parse::<AccountId>().is_err() {
            console.tell("An account has a number of 1 to 10 digits. Try again.")?;
            continue;
        }
        let pin = if first_try {
            commands::pin(args.pin_file.as_deref(), "BANK_PIN", "PIN: ", console).await?
        } else {
            match console.ask_hidden("PIN: ").await? {
                Some(pin) => TypedPin::new(&pin),
                None => return Ok(None),
            }
        };
        match session.login(&account, pin).await {
            Ok(logged_in) => return Ok(Some(logged_in)),
            // Its hint says what to look at, and the question comes again.
            Err(error @ OperationError::LoginRefused(_)) => tell_error(console, &error)?,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn balance(session: &mut Session, console: &mut impl Console) -> Result<(), Interrupted> {
    let posted = session.balance().await?;
    Ok(console.show(&show::balance(&posted))?)
}

async fn withdrawal(session: &mut Session, console: &mut impl Console) -> Result<(), Interrupted> {
    let amount = ask_amount(console).await?;
    let posted = session.withdraw(amount, &new_key()?).await?;
    Ok(console.show(&show::done("Please take your money.", &posted))?)
}

async fn deposit(session: &mut Session, console: &mut impl Console) -> Result<(), Interrupted> {
    let amount = ask_amount(console).await?;
    let posted = session.deposit(amount, &new_key()?).await?;
    Ok(console.show(&show::done("Deposited.", &posted))?)
}

async fn transfer(session: &mut Session, console: &mut impl Console) -> Result<(), Interrupted> {
    let to = ask_until(console, "To account (RG): ", |text| {
        text.parse::<AccountId>().map_err(|error| error.to_string())
    })
    .await?;
    let amount = ask_amount(console).await?;
    let posted = session.transfer(to, amount, &new_key()?).await?;
    Ok(console.show(&show::done("Transferred.", &posted))?)
}

async fn statement(session: &mut Session, console: &mut impl Console) -> Result<(), Interrupted> {
    let page = session.statement(None, Some(STATEMENT_ENTRIES)).await?;
    Ok(console.show(&show::statement(&page, &TimeZone::system(), show::columns()))?)
}

async fn ask_amount(console: &mut impl Console) -> Result<Amount, Interrupted> {
    ask_until(console, "Amount: ", |text| {
        Amount::from_typed(text).map_err(|error| error.to_string())
    })
    .await
}

/// Asks until the answer can be read. An empty line goes back to the menu.
async fn ask_until<T>(
    console: &mut impl Console,
    prompt: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Interrupted> {
    loop {
        let line = console.ask(prompt).await?.ok_or(Interrupted::NoMoreInput)?;
        if line.trim().is_empty() {
            return Err(Interrupted::WentBack);
        }
        match read(line.trim()) {
            Ok(value) => return Ok(value),
            Err(why) => console.tell(&format!("{why}. Try again, or press Enter alone to go back."))?,
        }
    }
}

fn new_key() -> Result<Key, Interrupted> {
    Ok(Key::random().context("failed to name the operation")?)
}

fn tell_error(console: &mut impl Console, error: &OperationError) -> anyhow::Result<()> {
    console.tell(&format!("Not done: {}", Harmless(&error.to_string())))?;
    match error.hint() {
        Some(hint) => console.tell(&format!("hint: {}", Harmless(&hint))),
        None => Ok(()),
    }
}
