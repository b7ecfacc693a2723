//! A bank with a page, and customers at it.

use std::path::Path;

use browser::{Browser, Page, Service};

/// The ten example accounts, with PINs that cost nothing to check.
pub(crate) fn bank(data: &Path) -> Service {
    bank_with(data, &[])
}

/// The same with more flags.
pub(crate) fn bank_with(data: &Path, more: &[&str]) -> Service {
    let data = data.display().to_string();
    let flags = ["--listen", "127.0.0.1:0", "--pin-cost", "least", "--data", &data];
    Service::start(env!("CARGO_BIN_EXE_bank"), &[&flags, more].concat())
}

/// Types an account and a PIN.
pub(crate) fn try_login(page: &Page, account: &str, pin: &str) {
    page.fill("#login [name=account]", account);
    page.fill("#login [name=pin]", pin);
    page.click("#login button");
}

/// Antonio at the page.
pub(crate) fn antonio(browser: &Browser, bank: &Service) -> Page {
    let page = browser.open(bank.page());
    try_login(&page, "1111111111", "1234");
    page.sees("#balance", "10.00");
    page
}

/// Chooses an operation and an amount, and sends it.
pub(crate) fn moves(page: &Page, operation: &str, amount: &str, to: Option<&str>) {
    page.click(&format!("#operation label:has([value={operation}])"));
    if let Some(to) = to {
        page.fill("#operation [name=to]", to);
    }
    page.fill("#operation [name=amount]", amount);
    page.click("#move");
}

/// Answers yes to what is asked before a transfer.
pub(crate) fn confirms(page: &Page) {
    page.click("#confirm [value=yes]");
}

/// What the statement says, a row an entry: kind, amount, balance, stamp.
pub(crate) fn statement(page: &Page) -> Vec<[String; 4]> {
    page.click("#read-statement");
    page.sees("#entries", "account opened");
    let cells = |name: &str| page.texts(&format!("#entries td.{name}"));
    let rows = cells("what")
        .into_iter()
        .zip(cells("amount"))
        .zip(cells("balance"))
        .zip(cells("stamp"));
    rows.map(|(((what, amount), balance), stamp)| [what, amount, balance, stamp])
        .collect()
}
