//! The page of a peer in a headless browser. Pictures of what is left at the end of a test are in `target/browser/`.
//!
//! ```text
//! cargo test -p multicast --test page
//! ```

mod before;
mod diagram;
mod find;
mod frames;
mod group;
#[path = "../common/group_file.rs"]
mod group_file;
#[path = "../common/members.rs"]
mod members;
mod safety;
mod service;
