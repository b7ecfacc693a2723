//! A headless Chromium for the tests of the live pages.
//!
//! [`Browser::start`] runs a chromedriver of its own on a free port and ends it, and every browser it started, when it
//! is dropped, also by a panic. [`Browser::open`] opens a [`Page`] in a fresh Chromium with an empty profile. A page is used the way a
//! person uses it: it is looked at, clicked and typed into; whatever takes time is waited for by what it shows, with a bound.
//!
//! ```no_run
//! # fn test() {
//! let Some(browser) = browser::Browser::start() else { return };
//! let page = browser.open("http://127.0.0.1:8080/");
//! page.fill("input[name=name]", "Ana");
//! page.click("button.primary");
//! page.sees("#log", "Ana entered");
//! page.screenshot("chat");
//! page.has_no_complaint();
//! # }
//! ```
//!
//! [`Service`] runs a server program with its page, kills it and starts it again, at [an address of its own](own_address).
//!
//! Tests need no browser to pass: where there is none they are skipped with a word on stderr, unless `ANTES_BROWSER=1` says that
//! there has to be one. `ANTES_BROWSER=0` skips them in any case.
//!
//! What goes wrong panics: this crate is for tests and nothing else.

#![expect(clippy::print_stderr, reason = "tests show what was logged when they fail")]

mod address;
mod chromedriver;
mod hostile;
mod page;
mod scripts;
mod service;

pub use address::own_address;
pub use chromedriver::Browser;
pub use hostile::HOSTILE;
pub use page::{Key, Page, Screen};
pub use scripts::Script;
pub use service::Service;
