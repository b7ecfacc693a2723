//! The ten example accounts, whose PIN everybody knows.

use super::NewAccount;
use crate::amount::Amount;
use crate::ledger::Ledger;

/// The holders of the ten example accounts, `0000000000` to `9999999999`.
const EXAMPLE_HOLDERS: [&str; 10] = [
    "Marcos", "Antonio", "Joao", "Maria", "Jose", "Pedro", "Paulo", "Carlos", "Ricardo", "Rafael",
];
const EXAMPLE_PIN: &str = "1234";

/// Whether one of the ten example accounts can be opened with the PIN that everybody knows.
pub(crate) fn has_example_pin(ledger: &Ledger) -> bool {
    let slots = examples()
        .into_iter()
        .filter_map(|example| ledger.slot(example.account).zip(Some(example.pin)));
    slots
        .map(|(slot, pin)| (ledger.account(slot), pin))
        .any(|(account, pin)| !account.closed && account.pin.verify(&pin))
}

/// The example accounts, with 10.00 each.
pub(super) fn examples() -> Vec<NewAccount> {
    let example = |(digit, holder): (usize, &&str)| NewAccount {
        account: digit
            .to_string()
            .repeat(10)
            .parse()
            .expect("ten digits are an RG"),
        holder: (*holder).to_owned(),
        balance: Amount::from_minor(1000),
        pin: EXAMPLE_PIN.parse().expect("four digits are a PIN"),
    };
    EXAMPLE_HOLDERS.iter().enumerate().map(example).collect()
}
