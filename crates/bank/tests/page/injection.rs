//! Whatever a bank says stays text.

use browser::{Browser, HOSTILE, Script};
use serde_json::json;

use super::support::{bank, confirms, moves, try_login};

#[test]
fn nothing_that_a_bank_says_becomes_part_of_the_page() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = browser.blank();
    page.before_load(Script::Impostor);
    page.goes_to(bank.page());
    for hostile in HOSTILE {
        let refusal = json!({"error": {"code": hostile, "message": hostile, "hint": hostile}});
        let entry = json!({"entry": hostile, "stamp": hostile, "kind": hostile, "amount": hostile, "balance": hostile,
            "counterparty": hostile, "at": 1});
        let answers = json!({
            "login": {"ok": {"account": hostile, "holder": hostile}},
            "balance": {"ok": {"balance": hostile, "entry": hostile}},
            "deposit": {"ok": {"balance": hostile, "entry": hostile}},
            "withdraw": refusal,
            "change_pin": refusal,
            "statement": {"ok": {"entries": [entry], "more": true}},
        });
        page.evaluate_with("window.answers = arguments[0];", vec![json!({"login": refusal})]);
        try_login(&page, "1", "1234");
        page.sees("#login-trouble", hostile);
        page.evaluate_with("window.answers = arguments[0];", vec![answers]);
        try_login(&page, "1", "1234");
        for shown in ["#holder", "#account-id", "#balance"] {
            page.sees(shown, hostile);
        }
        moves(&page, "deposit", "1", None);
        page.sees("#outcome", hostile);
        moves(&page, "withdraw", "1", None);
        page.sees("#trouble", hostile);
        page.click("#read-statement");
        for cell in ["entry", "what", "amount", "balance", "stamp"] {
            page.sees(&format!("#entries td.{cell}"), hostile);
        }
        page.evaluate_with(
            "window.tell({event: 'error', code: arguments[0], message: arguments[0], hint: arguments[0]});",
            vec![json!(hostile)],
        );
        page.has_only_text();
        page.click("#logout");
    }
}

/// What is typed goes to the bank as it was typed, and comes back as text.
#[test]
fn nothing_that_is_typed_becomes_part_of_the_page() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = browser.open(bank.page());
    // A browser's own checks are for people; these get past them.
    page.evaluate("document.querySelectorAll('form').forEach((form) => (form.noValidate = true))");
    for hostile in HOSTILE {
        try_login(&page, hostile, "1234");
        // Refused, or one try too many.
        page.until("document.querySelector('#login-trouble').textContent");
        page.has_only_text();
        page.evaluate("document.querySelector('#login-trouble').textContent = ''");
    }
    try_login(&page, "1111111111", "1234");
    page.sees("#balance", "10.00");
    for hostile in HOSTILE {
        moves(&page, "transfer", "1", Some(hostile));
        page.sees("#confirm", hostile);
        confirms(&page);
        page.sees("#trouble", hostile);
        page.has_only_text();
    }
}
