//! The command line of the bank.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use bank::{AccountId, Amount, FirstAccounts, Pin, PinCost, Settings, StoreSettings, limits};
use clap::{Parser, Subcommand, ValueEnum};
use proto::net::cli::{ObserveArgs, PageArgs, ServerArgs, hinted, misused, parse_address};

/// A bank: an exact, durable ledger behind sessions with PINs
#[derive(Debug, Parser)]
#[command(
    name = "bank",
    version,
    after_help = "Without a command it serves. Every flag is an environment variable too: --listen is BANK_LISTEN."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000", value_parser = parse_address)]
    pub(crate) listen: String,
    /// Directory of the journal
    #[arg(long, value_name = "DIR", default_value = "data/bank", global = true)]
    pub(crate) data: PathBuf,
    /// Accounts that an empty bank begins with: a JSON list of {"rg":"1111111111","nome":"Antonio","saldo":10.00,"pin":"…"};
    /// without it, ten example accounts with the PIN 1234, for this machine only
    #[arg(long, value_name = "FILE")]
    pub(crate) accounts: Option<PathBuf>,
    #[command(flatten)]
    pin_cost: PinCostArg,
    /// Logins that may wait for their PIN to be checked
    #[arg(long, value_name = "N", default_value_t = limits::HASHES_WAITING_DEFAULT)]
    pub(crate) hashes_waiting: usize,
    /// Wrong PINs that one address may send for one account; 0 lifts the limit
    #[arg(long, value_name = "N", default_value_t = limits::WRONG_PINS_PER_ACCOUNT_DEFAULT)]
    pub(crate) wrong_pins_per_account: u32,
    /// Wrong PINs that one address may send altogether; 0 lifts the limit
    #[arg(long, value_name = "N", default_value_t = limits::WRONG_PINS_PER_ADDRESS_DEFAULT)]
    pub(crate) wrong_pins_per_address: u32,
    /// Bytes of a journal segment
    #[arg(long, value_name = "BYTES", default_value_t = limits::SEGMENT_BYTES_DEFAULT)]
    pub(crate) segment_bytes: u64,
    /// Entries after which a snapshot is made
    #[arg(long, value_name = "N", default_value_t = limits::SNAPSHOT_ENTRIES_DEFAULT)]
    pub(crate) snapshot_entries: u64,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) observe: ObserveArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write one JSON document per account into a directory
    Export {
        /// Where to
        directory: PathBuf,
    },
    /// Open an account for each JSON document of a directory
    Import {
        /// Where from
        directory: PathBuf,
        /// PIN of the accounts whose documents have none; asked for if it is not given
        #[arg(long)]
        pin: Option<String>,
        #[command(flatten)]
        pin_cost: PinCostArg,
    },
    /// Replay the whole journal into an independent model, and prove that all money sums up to zero
    Audit,
    /// Make the file `stamps` anew where it is lost, so that no Lamport time is used a second time
    RecoverStamps,
    /// Open an account
    Open {
        /// Its RG: 1 to 10 digits
        account: AccountId,
        /// Who holds it
        #[arg(long, value_name = "NAME", value_parser = parse_holder)]
        holder: String,
        /// What it begins with
        #[arg(long, value_name = "AMOUNT", value_parser = Amount::from_typed)]
        balance: Option<Amount>,
        /// Its PIN; asked for if it is not given
        #[arg(long)]
        pin: Option<String>,
        #[command(flatten)]
        pin_cost: PinCostArg,
    },
    /// Close an account that holds nothing
    Close {
        /// Its RG
        account: AccountId,
    },
    /// Fill an empty directory for measurements: accounts with the PIN 1234 and random transfers among them
    #[command(hide = true)]
    Generate {
        /// How many accounts
        #[arg(long, default_value_t = 1000)]
        accounts: u32,
        /// How many entries after those that open the accounts
        #[arg(long, default_value_t = 0)]
        entries: u64,
    },
}

/// Of whatever hashes PINs: the server and some commands, not all of them.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct PinCostArg {
    /// How slow new PINs are to guess; `least` is for tests on this machine [default: strong]
    #[arg(long, value_name = "COST")]
    pin_cost: Option<Cost>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cost {
    Strong,
    Least,
}

impl Args {
    /// What is said after the command, or before it.
    pub(crate) fn pin_cost(&self) -> PinCost {
        let of_command = match &self.command {
            Some(Command::Import { pin_cost, .. } | Command::Open { pin_cost, .. }) => pin_cost.pin_cost,
            _ => None,
        };
        match of_command.or(self.pin_cost.pin_cost) {
            None | Some(Cost::Strong) => PinCost::DEFAULT,
            Some(Cost::Least) => PinCost::LEAST,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let bound = |limit: u32| Some(limit).filter(|&limit| limit > 0);
        Settings {
            data: self.data.clone(),
            first_accounts: self
                .accounts
                .clone()
                .map_or(FirstAccounts::Examples, FirstAccounts::File),
            store: StoreSettings {
                segment_bytes: self.segment_bytes,
                snapshot_entries: self.snapshot_entries,
                ..StoreSettings::default()
            },
            limits: self.server.limits(),
            pin_cost: self.pin_cost(),
            hashes_waiting: self.hashes_waiting,
            wrong_pins_per_account: bound(self.wrong_pins_per_account),
            wrong_pins_per_address: bound(self.wrong_pins_per_address),
            ..Settings::default()
        }
    }
}

fn parse_holder(text: &str) -> Result<String, String> {
    match text.len() {
        1..=limits::HOLDER_BYTES_MAX => Ok(text.to_owned()),
        _ => Err(format!(
            "a holder's name has 1 to {} bytes",
            limits::HOLDER_BYTES_MAX
        )),
    }
}

/// The PIN given, or the one typed twice without echo.
pub(crate) fn pin(given: Option<&str>) -> anyhow::Result<Pin> {
    let typed = match given {
        Some(given) => given.to_owned(),
        None => {
            if !std::io::stdin().is_terminal() {
                return Err(misused(
                    anyhow::anyhow!("nobody can be asked for a PIN here"),
                    "give it with --pin, or in the environment variable BANK_PIN",
                ));
            }
            let first = rpassword::prompt_password("PIN: ")?;
            if rpassword::prompt_password("The same PIN again: ")? != first {
                return Err(hinted(anyhow::anyhow!("the two PINs differ"), "try again"));
            }
            first
        }
    };
    typed
        .parse()
        .map_err(|error| misused(anyhow::Error::from(error), "for example --pin 4711"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn what_hashes_no_pin_has_no_cost_of_one() {
        let command = Args::command();
        let with_cost: Vec<&str> = command
            .get_subcommands()
            .filter(|sub| sub.get_arguments().any(|arg| arg.get_id() == "pin_cost"))
            .map(clap::Command::get_name)
            .collect();
        assert_eq!(with_cost, ["import", "open"]);
        assert!(
            !command
                .get_arguments()
                .any(|arg| arg.get_id() == "pin_cost" && arg.is_global_set())
        );
    }

    #[test]
    fn the_cost_of_a_pin_is_said_before_the_command_or_after_it() {
        let check = |words: &str, expected| {
            let args = Args::try_parse_from(words.split(' ')).expect(words);
            assert_eq!(args.pin_cost(), expected, "{words}");
        };
        check("bank", PinCost::DEFAULT);
        check("bank --pin-cost least", PinCost::LEAST);
        check("bank open 1 --holder A", PinCost::DEFAULT);
        check("bank --pin-cost least open 1 --holder A", PinCost::LEAST);
        check("bank open 1 --holder A --pin-cost least", PinCost::LEAST);
        check(
            "bank --pin-cost least import out --pin-cost strong",
            PinCost::DEFAULT,
        );
        assert!(Args::try_parse_from(["bank", "audit", "--pin-cost", "least"]).is_err());
    }
}
