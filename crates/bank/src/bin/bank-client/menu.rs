//! The ATM: account and PIN, then one operation after the other until the customer leaves.

use anyhow::Context;
use bank::client::{Key, LoggedIn, OperationError, Posted, Session, TypedPin};
use bank::{AccountId, Amount};
use jiff::tz::TimeZone;
use proto::Harmless;
use proto::net::cli::hinted;

use super::args::Args;
use super::console::Console;
use super::{Failure, commands, exit, hints, show};

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
            Err(Interrupted::Untold(error)) => return Err(Failure::untold(error)),
            Err(Interrupted::Operation(error)) => {
                tell_error(console, &error)?;
                if is_the_end(&error, console.is_interactive()) {
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
    /// It was done, but cannot be shown.
    Untold(anyhow::Error),
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
    let posted = change(console, async |key| session.withdraw(amount, key).await).await?;
    tell_done(console, "Please take your money.", &posted)
}

async fn deposit(session: &mut Session, console: &mut impl Console) -> Result<(), Interrupted> {
    let amount = ask_amount(console).await?;
    let posted = change(console, async |key| session.deposit(amount, key).await).await?;
    tell_done(console, "Deposited.", &posted)
}

async fn transfer(session: &mut Session, console: &mut impl Console) -> Result<(), Interrupted> {
    let to = ask_until(console, "To account (RG): ", |text| {
        text.parse::<AccountId>().map_err(|error| error.to_string())
    })
    .await?;
    let amount = ask_amount(console).await?;
    let posted = change(console, async |key| session.transfer(to, amount, key).await).await?;
    tell_done(console, "Transferred.", &posted)
}

/// Makes a change. While nobody knows whether it was done, a person may ask again: chosen anew in the menu it would be
/// another change.
async fn change(
    console: &mut impl Console,
    mut send: impl AsyncFnMut(&Key) -> Result<Posted, OperationError>,
) -> Result<Posted, Interrupted> {
    let key = Key::random().context("failed to name the operation")?;
    loop {
        match send(&key).await {
            Err(error @ OperationError::OutcomeUnknown { .. }) if console.is_interactive() => {
                console.tell(&format!("{error}. To ask again does not do it twice."))?;
                let answer = console.ask("Ask again? Enter: yes, n: no. ").await?;
                if answer.is_none_or(|answer| answer.trim().starts_with(['n', 'N'])) {
                    return Err(error.into());
                }
            }
            answered => return Ok(answered?),
        }
    }
}

fn tell_done(console: &mut impl Console, what: &str, posted: &Posted) -> Result<(), Interrupted> {
    console
        .show(&show::done(what, posted))
        .map_err(|error| Interrupted::Untold(hinted(error, "it was done; the statement has it")))
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

/// Whether there is no use in choosing anything else.
fn is_the_end(error: &OperationError, interactive: bool) -> bool {
    match error {
        // The PIN was changed elsewhere, or the account closed.
        OperationError::LoginRefused(_) | OperationError::NotLoggedIn => true,
        // The next line was written by who took this one for done.
        OperationError::OutcomeUnknown { .. } => !interactive,
        _ => false,
    }
}

fn tell_error(console: &mut impl Console, error: &OperationError) -> anyhow::Result<()> {
    let verdict = match error {
        OperationError::OutcomeUnknown { .. } => "",
        OperationError::NotUnderstood(_) => "Done, but the answer is not understood: ",
        _ => "Not done: ",
    };
    console.tell(&format!("{verdict}{}", Harmless(&error.to_string())))?;
    match hints::hint(error) {
        Some(hint) => console.tell(&format!("hint: {}", Harmless(&hint))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person who answers each question with the next of these lines.
    struct Typist(Vec<&'static str>);

    impl Console for Typist {
        async fn ask(&mut self, _: &str) -> anyhow::Result<Option<String>> {
            Ok(self.0.pop().map(str::to_owned))
        }

        async fn ask_hidden(&mut self, prompt: &str) -> anyhow::Result<Option<String>> {
            self.ask(prompt).await
        }

        fn show(&mut self, _: &str) -> anyhow::Result<()> {
            Ok(())
        }

        fn tell(&mut self, _: &str) -> anyhow::Result<()> {
            Ok(())
        }

        fn is_interactive(&self) -> bool {
            true
        }
    }

    /// How often a bank that never answers is asked, and under how many keys.
    async fn asked(answers: &[&'static str]) -> (usize, usize) {
        let mut keys = Vec::new();
        let mut typist = Typist(answers.iter().rev().copied().collect());
        let done = change(&mut typist, async |key| {
            keys.push(key.to_string());
            let (key, last) = (Some(key.clone()), None);
            Err(OperationError::OutcomeUnknown { key, last })
        });
        assert!(matches!(
            done.await,
            Err(Interrupted::Operation(OperationError::OutcomeUnknown { .. }))
        ));
        let times = keys.len();
        keys.dedup();
        (times, keys.len())
    }

    #[tokio::test]
    async fn a_person_may_ask_again_for_what_nobody_knows_and_it_is_the_same_change() {
        assert_eq!(asked(&["n"]).await, (1, 1));
        assert_eq!(asked(&["", "y", "No"]).await, (3, 1));
        assert_eq!(asked(&[""]).await, (2, 1), "the end of the input is no");
    }
}
