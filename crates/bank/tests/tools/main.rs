//! `bank` and its commands, as an operator meets them.

mod accounts;
mod complaints;
#[path = "../../../../tests/common/mistakes.rs"]
mod mistakes;

const BANK: &str = env!("CARGO_BIN_EXE_bank");
const CLIENT: &str = env!("CARGO_BIN_EXE_bank-client");
