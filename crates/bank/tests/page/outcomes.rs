//! What becomes of an operation whose answer does not come: it is done once, and the person knows.

use browser::{Browser, Page, Script, Service};

use super::support::{antonio, bank, moves, statement, try_login};

/// Antonio at a page that can be made deaf.
fn deafened(browser: &Browser, bank: &Service) -> Page {
    let page = browser.blank();
    page.before_load(Script::Deaf);
    page.goes_to(bank.page());
    try_login(&page, "1111111111", "1234");
    page.sees("#balance", "10.00");
    page
}

/// Deposits 100.00, and has the bank do it without the page hearing of it.
fn deposit_unheard(page: &Page) {
    page.evaluate("window.deaf = true");
    moves(page, "deposit", "100.00", None);
    page.until("window.missed > 0");
}

#[test]
fn a_deposit_whose_answer_was_lost_is_done_once() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let mut bank = bank(data.path());
    let page = deafened(&browser, &bank);
    deposit_unheard(&page);
    bank.kill();
    page.sees("#outcome", "Whether it was done is not known yet");
    page.sees(".state", "trying again");
    page.screenshot("bank-lost");
    page.evaluate("window.deaf = false");
    bank.start_again();
    page.sees("#outcome", "Done: deposit of 100.00, entry 11. Balance 110.00.");
    let kinds: Vec<_> = statement(&page).into_iter().map(|[what, ..]| what).collect();
    assert_eq!(kinds, ["deposit", "account opened"]);
}

#[test]
fn a_deposit_that_never_arrived_is_done_once() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let mut bank = bank(data.path());
    let page = antonio(&browser, &bank);
    bank.freeze();
    moves(&page, "deposit", "100.00", None);
    page.sees("#outcome", "Working…");
    bank.kill();
    page.sees("#outcome", "Whether it was done is not known yet");
    bank.start_again();
    page.sees("#outcome", "Done: deposit of 100.00, entry 11. Balance 110.00.");
    let kinds: Vec<_> = statement(&page).into_iter().map(|[what, ..]| what).collect();
    assert_eq!(kinds, ["deposit", "account opened"]);
}

#[test]
fn a_deposit_without_an_outcome_survives_a_reload_of_the_page() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = deafened(&browser, &bank);
    deposit_unheard(&page);
    page.reload();
    try_login(&page, "1111111111", "1234");
    page.sees("#outcome", "Done: deposit of 100.00, entry 11. Balance 110.00.");
    page.reload();
    try_login(&page, "1111111111", "1234");
    page.sees("#balance", "110.00");
    let kinds: Vec<_> = statement(&page).into_iter().map(|[what, ..]| what).collect();
    assert_eq!(kinds, ["deposit", "account opened"]);
}

#[test]
fn a_change_of_pin_whose_answer_was_lost_is_known() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let mut bank = bank(data.path());
    let page = deafened(&browser, &bank);
    page.click("summary:has(+ #change-pin)");
    for (field, pin) in [("old", "1234"), ("fresh", "4711"), ("again", "4711")] {
        page.fill(&format!("#change-pin [name={field}]"), pin);
    }
    page.evaluate("window.deaf = true");
    page.click("#change-pin button");
    page.until("window.missed > 0");
    bank.kill();
    page.evaluate("window.deaf = false");
    bank.start_again();
    page.sees("#pin-outcome", "The PIN is changed.");
    moves(&page, "deposit", "1", None);
    page.sees("#balance", "11.00");
}
