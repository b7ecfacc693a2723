//! The command line of `bank-client`.

use std::path::PathBuf;
use std::time::Duration;

use bank::client::Key;
use bank::{AccountId, Amount};
use clap::{Parser, Subcommand};
use proto::net::cli::{AddressArgs, TraceArgs, parse_address, parse_duration};

/// The bank's ATM: a menu without a command, and commands for scripts.
///
/// The PIN is asked for without echo, or read from --pin-file, or from the environment variable BANK_PIN.
///
/// Exit codes: 0 done; 1 refused; 2 wrong usage; 3 login refused; 4 bank not reached, nothing done; 5 nobody knows
/// whether it was done: repeat it with the same --key, it is done once; 6 done, but what came of it could not be written.
#[derive(Debug, Parser)]
#[command(
    name = "bank-client",
    version,
    max_term_width = 100,
    mut_arg("address", |address| address.value_parser(address_or_command)),
    mut_arg("server", |server| server.default_value("127.0.0.1:5000"))
)]
pub(crate) struct Args {
    /// Where the bank is.
    #[command(flatten)]
    pub(crate) address: AddressArgs,
    /// The account: an RG of 1 to 10 digits
    #[arg(long, global = true, value_name = "RG")]
    pub(crate) account: Option<AccountId>,
    /// Read the PIN from the first line of this file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
    /// Print results and errors as one line of JSON on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show the Lamport clock at each send and receive
    #[arg(long, global = true)]
    pub(crate) clock: bool,
    /// How long an operation is repeated while the bank is not reached; 0 for ever
    #[arg(long, global = true, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub(crate) give_up_after: Duration,
    /// What is recorded and logged.
    #[command(flatten)]
    pub(crate) observe: Observe,
    /// What to do; nothing for the menu.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The program's own flags of observation: those of every program, usable after the command too.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Observation", mut_arg("trace", |trace| trace.global(true)))]
pub(crate) struct Observe {
    /// What is logged on stderr: error, warn, info, debug, trace, or a filter such as `warn,bank=debug`
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    pub(crate) log: String,
    /// What is recorded.
    #[command(flatten)]
    pub(crate) trace: TraceArgs,
}

/// One thing to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the account holds
    Balance,
    /// Pay cash into the account
    Deposit {
        /// How much, such as 100 or 99.95
        #[arg(value_parser = Amount::from_typed)]
        amount: Amount,
        /// Name this operation: repeated with the same key, it is done once
        #[arg(long)]
        key: Option<Key>,
    },
    /// Take cash out of the account
    Withdraw {
        /// How much, such as 100 or 99.95
        #[arg(value_parser = Amount::from_typed)]
        amount: Amount,
        /// Name this operation: repeated with the same key, it is done once
        #[arg(long)]
        key: Option<Key>,
    },
    /// Move money to another account
    Transfer {
        /// How much, such as 100 or 99.95
        #[arg(value_parser = Amount::from_typed)]
        amount: Amount,
        /// The account that is paid
        #[arg(long, value_name = "RG")]
        to: AccountId,
        /// Name this operation: repeated with the same key, it is done once
        #[arg(long)]
        key: Option<Key>,
    },
    /// Show the account's entries, the latest first
    Statement {
        /// Only entries before the one with this number
        #[arg(long, value_name = "ENTRY")]
        before: Option<u64>,
        /// At most so many entries
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Give the account a new PIN; it is asked for, or read from a file or BANK_NEW_PIN
    ChangePin {
        /// Read the new PIN from the first line of this file
        #[arg(long, value_name = "FILE")]
        new_pin_file: Option<PathBuf>,
    },
}

impl Args {
    /// How long an operation is pursued; nothing for ever.
    pub(crate) fn patience(&self) -> Option<Duration> {
        Some(self.give_up_after).filter(|patience| !patience.is_zero())
    }

    /// The bank's address.
    pub(crate) fn address(&self) -> &str {
        self.address.get().expect("the server has a default")
    }
}

/// The first word that is no command must be an address; more likely it is a command misspelt.
fn address_or_command(text: &str) -> Result<String, String> {
    parse_address(text).map_err(|not| format!("no command, and {not}; --help lists the commands"))
}
