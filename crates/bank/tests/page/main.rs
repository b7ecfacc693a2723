//! The cash machine as a page, in a headless browser. Pictures of what is left at the end of a test are in
//! `target/browser/`.
//!
//! ```text
//! cargo test -p bank --test page
//! ```

mod door;
mod injection;
mod outcomes;
mod session;
mod support;
