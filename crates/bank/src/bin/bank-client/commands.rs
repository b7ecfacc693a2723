//! Commands for scripts: one operation, its result on stdout, and an exit code.

use std::fs;
use std::path::Path;

use anyhow::Context;
use bank::client::{Key, OperationError, Posted, Session, StatementPage, TypedPin};
use jiff::tz::TimeZone;
use proto::net::cli::{hinted, misused};
use serde_json::{Value, json};

use super::args::{Args, Command};
use super::console::Console;
use super::{Failure, hints, show};

/// Entries asked for at once; the server may give fewer.
const PAGE_ENTRIES: u64 = 100;

/// What was done, for both kinds of output.
struct Outcome {
    text: String,
    json: Value,
    change: Option<Change>,
}

/// What was changed, for who could not be told.
enum Change {
    Money(Key),
    Pin,
}

pub(super) async fn run(
    args: &Args,
    command: &Command,
    session: &mut Session,
    console: &mut impl Console,
) -> Result<(), Failure> {
    let account = args.account.ok_or_else(|| {
        misused(
            anyhow::Error::msg("a command needs an account"),
            "name it: --account 1111111111",
        )
    })?;
    let pin = pin(args.pin_file.as_deref(), "BANK_PIN", "PIN: ", console).await?;
    match operate(command, &account.to_string(), pin, session, console).await {
        Ok(Outcome { text, json, change }) => {
            let shown = console.show(&if args.json { json.to_string() } else { text });
            shown.map_err(|error| match change {
                Some(change) => Failure::untold(hinted(error, change.hint())),
                None => error.into(),
            })
        }
        Err(Stopped::Operation(error)) => {
            if args.json {
                let told =
                    json!({"code": error.code(), "message": error.to_string(), "hint": hints::hint(&error)});
                console.show(&json!({ "error": told }).to_string())?;
            }
            Err(error.into())
        }
        Err(Stopped::Other(error)) => Err(error.into()),
    }
}

impl Change {
    fn hint(&self) -> String {
        match self {
            Self::Money(key) => format!(
                "it was done; repeat the command with --key {key} to see it: it is not done a second time"
            ),
            Self::Pin => "it was done: the new PIN opens the account".to_owned(),
        }
    }
}

/// Why there is no outcome.
enum Stopped {
    Operation(OperationError),
    Other(anyhow::Error),
}

impl From<OperationError> for Stopped {
    fn from(error: OperationError) -> Self {
        Self::Operation(error)
    }
}

impl From<anyhow::Error> for Stopped {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

async fn operate(
    command: &Command,
    account: &str,
    pin: TypedPin,
    session: &mut Session,
    console: &mut impl Console,
) -> Result<Outcome, Stopped> {
    // Asked for before the bank is: a login should not wait for a person.
    let new_pin = match command {
        Command::ChangePin { new_pin_file } => Some(new_pin(new_pin_file.as_deref(), console).await?),
        _ => None,
    };
    session.login(account, pin.clone()).await?;
    Ok(match command {
        Command::Balance => {
            let posted = session.balance().await?;
            Outcome {
                text: posted.balance.clone(),
                json: json!({"account": account, "balance": posted.balance, "entry": posted.entry}),
                change: None,
            }
        }
        Command::Deposit { amount, key } => {
            let key = key_or_new(key.as_ref())?;
            let posted = session.deposit(*amount, &key).await?;
            changed("Deposited.", account, &posted, key)
        }
        Command::Withdraw { amount, key } => {
            let key = key_or_new(key.as_ref())?;
            let posted = session.withdraw(*amount, &key).await?;
            changed("Withdrawn.", account, &posted, key)
        }
        Command::Transfer { amount, to, key } => {
            let key = key_or_new(key.as_ref())?;
            let posted = session.transfer(*to, *amount, &key).await?;
            changed("Transferred.", account, &posted, key)
        }
        Command::Statement { before, limit } => {
            let page = pages(session, *before, *limit).await?;
            let text = show::statement(&page, &TimeZone::system(), show::columns());
            Outcome {
                text,
                json: json!({"account": account, "entries": page.entries, "more": page.more}),
                change: None,
            }
        }
        Command::ChangePin { .. } => {
            let new_pin = new_pin.context("the new PIN was asked for before")?;
            session.change_pin(&pin, &new_pin).await?;
            Outcome {
                text: "PIN changed.".to_owned(),
                json: json!({"account": account}),
                change: Some(Change::Pin),
            }
        }
    })
}

fn changed(what: &str, account: &str, posted: &Posted, key: Key) -> Outcome {
    Outcome {
        text: show::done(what, posted),
        json: json!({"account": account, "balance": posted.balance, "entry": posted.entry, "key": key.as_str()}),
        change: Some(Change::Money(key)),
    }
}

fn key_or_new(key: Option<&Key>) -> anyhow::Result<Key> {
    Ok(key.map_or_else(Key::random, |key| Ok(key.clone()))?)
}

/// So many entries, however many the server gives at once.
async fn pages(
    session: &mut Session,
    before: Option<u64>,
    limit: u64,
) -> Result<StatementPage, OperationError> {
    let mut all = session.statement(before, Some(limit.min(PAGE_ENTRIES))).await?;
    while all.more && (all.entries.len() as u64) < limit {
        let missing = limit - all.entries.len() as u64;
        let Some(oldest) = all.entries.last().map(|entry| entry.entry) else {
            break;
        };
        let next = session
            .statement(Some(oldest), Some(missing.min(PAGE_ENTRIES)))
            .await?;
        if next.entries.is_empty() {
            break;
        }
        all.more = next.more;
        all.entries.extend(next.entries);
    }
    Ok(all)
}

/// The PIN from a file, from the environment, or asked for.
pub(super) async fn pin(
    file: Option<&Path>,
    variable: &str,
    prompt: &str,
    console: &mut impl Console,
) -> anyhow::Result<TypedPin> {
    const HINT: &str = "name a file whose first line is the PIN";
    if let Some(file) = file {
        let text = fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()));
        let text = text.map_err(|error| hinted(error, HINT))?;
        return match text.lines().next() {
            None | Some("") => {
                let what = anyhow::anyhow!("the first line of {} is empty", file.display());
                Err(hinted(what, HINT))
            }
            Some(pin) => Ok(TypedPin::new(pin)),
        };
    }
    if let Ok(text) = std::env::var(variable) {
        return Ok(TypedPin::new(&text));
    }
    match console.ask_hidden(prompt).await? {
        Some(text) => Ok(TypedPin::new(&text)),
        None => Err(misused(
            anyhow::Error::msg("there is no PIN"),
            format!("give it with --pin-file, in the environment variable {variable}, or as a line on stdin"),
        )),
    }
}

/// A new PIN; a person types it twice, because nobody sees it.
async fn new_pin(file: Option<&Path>, console: &mut impl Console) -> anyhow::Result<TypedPin> {
    let asked = file.is_none() && std::env::var_os("BANK_NEW_PIN").is_none() && console.is_interactive();
    if !asked {
        return pin(file, "BANK_NEW_PIN", "New PIN: ", console).await;
    }
    let first = console.ask_hidden("New PIN: ").await?;
    let second = console.ask_hidden("New PIN again: ").await?;
    match first {
        Some(pin) if second.as_ref() == Some(&pin) => Ok(TypedPin::new(&pin)),
        _ => Err(hinted(
            anyhow::Error::msg("the two new PINs differ"),
            "nothing was changed; try again",
        )),
    }
}
