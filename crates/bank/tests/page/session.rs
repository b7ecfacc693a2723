use browser::{Browser, Key};

use super::support::{antonio, bank, bank_with, confirms, moves, statement, try_login};

/// Sends and receives of the whole session, the latest first: those that the terminal has, too.
const STAMPS: [&str; 7] = [
    "balance 25 → 28",
    "transfer 21 → 24",
    "withdraw 17 → 20",
    "balance 13 → 16",
    "deposit 9 → 12",
    "balance 5 → 8",
    "login 1 → 4",
];

#[test]
fn the_sample_session_with_its_stamps() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = antonio(&browser, &bank);
    page.sees("#holder", "Antonio");
    moves(&page, "deposit", "100", None);
    page.sees("#outcome", "deposit of 100.00");
    page.sees("#balance", "110.00");
    page.click("#read-balance");
    page.until("document.querySelector('#clock').value === '16'");
    moves(&page, "withdraw", "15", None);
    page.sees("#balance", "95.00");
    moves(&page, "transfer", "20,00", Some("0000000000"));
    page.sees("#confirm", "Transfer 20.00 to account 0000000000?");
    confirms(&page);
    page.sees("#balance", "75.00");
    page.click("#read-balance");
    page.until("document.querySelector('#clock').value === '28'");
    page.click("summary:has(+ p + #exchanges)");
    assert_eq!(page.texts("#exchanges li"), STAMPS);

    let rows = [
        ["transfer to 0000000000", "−20.00", "75.00", "22"],
        ["withdrawal", "−15.00", "95.00", "18"],
        ["deposit", "+100.00", "110.00", "10"],
    ];
    assert_eq!(statement(&page)[..3], rows);
    page.screenshot("bank");
    page.has_only_text();
}

#[test]
fn a_login_that_failed_is_tried_again() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = browser.open(bank.page());
    for account in ["1111111111", "4444"] {
        try_login(&page, account, "9999");
        page.sees(
            "#login-trouble",
            "there is no such account, or this is not its PIN",
        );
    }
    page.screenshot("bank-login");
    try_login(&page, "1111111111", "1234");
    page.sees("#holder", "Antonio");
    page.has_no_complaint();
}

#[test]
fn a_refusal_says_why_and_changes_nothing() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = antonio(&browser, &bank);
    moves(&page, "withdraw", "10.01", None);
    page.sees(
        "#trouble",
        "Not done: withdrawal of 10.01: the account holds 10.00",
    );
    page.screenshot("bank-refused");
    moves(&page, "transfer", "1", Some("4444"));
    confirms(&page);
    page.sees("#trouble", "Not done: transfer of 1.00 to 4444: ");
    // What is no amount is not even sent.
    for nonsense in ["-1", "1.001", "1e2", "", "0x1", "1,000.00", "1 00", "1 0000"] {
        moves(&page, "deposit", nonsense, None);
        assert_eq!(
            page.evaluate("document.querySelector('#operation').checkValidity()"),
            false,
            "{nonsense}"
        );
    }
    assert_eq!(statement(&page).len(), 1, "only the opening");
}

#[test]
fn a_transfer_is_sent_only_when_confirmed() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = antonio(&browser, &bank);
    moves(&page, "transfer", "1", Some("0000000000"));
    page.sees("#confirm", "Transfer 1.00");
    page.screenshot("bank-confirm");
    page.press(Key::Escape);
    page.misses("#confirm");
    // What was typed is still there, and Enter is enough to send it.
    page.until("document.activeElement.name === 'amount'");
    page.press(Key::Enter);
    page.sees("#confirm", "Transfer 1.00");
    page.press(Key::Enter);
    page.sees("#outcome", "Done: transfer of 1.00 to 0000000000, entry 11.");
    assert_eq!(statement(&page).len(), 2, "the opening, and one transfer");
}

#[test]
fn amounts_are_written_in_groups_and_usual_ones_are_a_click() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = antonio(&browser, &bank);
    moves(&page, "deposit", "1 234 567,8", None);
    page.sees("#balance", "1\u{202f}234\u{202f}577.80");
    page.click("#usual button:nth-child(2)");
    page.press(Key::Enter);
    page.sees("#outcome", "Done: deposit of 50.00");
    let rows = statement(&page);
    let expected = [
        ["deposit", "+50.00", "1\u{202f}234\u{202f}627.80"],
        [
            "deposit",
            "+1\u{202f}234\u{202f}567.80",
            "1\u{202f}234\u{202f}577.80",
        ],
    ];
    assert_eq!([&rows[0][..3], &rows[1][..3]], expected);
}

#[test]
fn by_keyboard_alone() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = browser.open(bank.page());
    // The first field has the focus.
    page.press("1111111111" + Key::Tab);
    page.press("1234" + Key::Enter);
    page.sees("#balance", "10.00");
    // The amount has the focus; the operations come before it.
    page.press(Key::Shift + Key::Tab);
    page.press(Key::Right);
    page.sees("#move", "Deposit");
    page.press(Key::Tab + "2.50" + Key::Enter);
    page.sees("#balance", "12.50");
    page.press("0.50" + Key::Enter);
    page.sees("#balance", "13.00");
}

#[test]
fn statements_are_read_page_by_page() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = antonio(&browser, &bank);
    for cents in 1..=21 {
        moves(&page, "deposit", &format!("0.{cents:02}"), None);
        page.sees(
            "#outcome",
            &format!("deposit of 0.{cents:02}, entry {}", cents + 10),
        );
    }
    page.click("#read-statement");
    page.sees("#entries tr:nth-child(20)", "+0.02");
    page.click("#older");
    page.sees("#entries tr:nth-child(22)", "account opened");
    page.misses("#older");
    assert_eq!(page.texts("#entries td.entry").len(), 22);
}

#[test]
fn the_pin_is_changed_and_the_old_one_is_nobody_s() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = antonio(&browser, &bank);
    let change = |old: &str, new: &str, again: &str| {
        page.fill("#change-pin [name=old]", old);
        page.fill("#change-pin [name=fresh]", new);
        page.fill("#change-pin [name=again]", again);
        page.click("#change-pin button");
    };
    page.click("summary:has(+ #change-pin)");
    change("1234", "4711", "4712");
    page.sees("#pin-trouble", "The two new PINs differ.");
    change("1235", "4711", "4711");
    page.sees("#pin-trouble", "That is not your PIN now.");
    change("1234", "4711", "4711");
    page.sees("#pin-outcome", "The PIN is changed.");
    page.click("#logout");
    try_login(&page, "1111111111", "1234");
    page.sees(
        "#login-trouble",
        "there is no such account, or this is not its PIN",
    );
    try_login(&page, "1111111111", "4711");
    page.sees("#holder", "Antonio");
}

#[test]
fn a_login_after_the_connection_was_closed_for_waiting() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank_with(data.path(), &["--handshake-timeout", "500ms"]);
    let page = browser.open(bank.page());
    try_login(&page, "1111111111", "9999");
    page.sees("#login-trouble", "Not logged in: ");
    page.until("document.querySelector('.state').textContent.includes('lost')");
    try_login(&page, "1111111111", "1234");
    page.sees("#balance", "10.00");
    // Its clock went on where it was.
    page.until("document.querySelector('#clock').value === '12'");
}
