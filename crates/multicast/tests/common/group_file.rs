//! The file that tells a peer who belongs to its group.

use std::path::Path;

use multicast::{Member, Members};
use serde_json::{Map, Value};

/// Writes the members and their addresses.
pub(crate) fn write(file: &Path, members: &Members) {
    let listed = (0..members.len()).map(Member::new);
    let listed: Map<String, Value> = listed
        .map(|member| (members.id(member).to_string(), members.address(member).into()))
        .collect();
    std::fs::write(file, Value::from(listed).to_string()).unwrap();
}
