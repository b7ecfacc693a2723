//! Who belongs to the group, and where each member listens.
//!
//! The file looks like this: `{"P1": "localhost:5001", "P2": "localhost:5002"}`. Members are ordered by identity, so that every member
//! numbers them alike whatever the order of the lines.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use lamport::ProcessId;
use proto::net::is_address;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use sha2::{Digest as _, Sha256};

use crate::limits::MEMBERS_MAX;
use crate::members::Member;

/// The members of a group in their order, and their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    members: Vec<(ProcessId, String)>,
}

/// What a group file looks like.
const EXAMPLE: &str = r#"it looks like {"P1": "localhost:5001", "P2": "localhost:5002"}"#;

/// Why there is no group.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// The file cannot be read.
    #[error("failed to read the group file {path}: {error}; hint: name one that this user may read")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no JSON object of addresses by identity.
    #[error("the group file {path} is not understood: {error}; hint: {EXAMPLE}")]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// There are too few or too many members.
    #[error("a group has 1 to {MEMBERS_MAX} members, this one has {0}; hint: {EXAMPLE}")]
    Size(usize),
    /// An address has no port, or no host.
    #[error("{0} has the address {1:?}, which is no HOST:PORT; hint: {EXAMPLE}")]
    Address(ProcessId, String),
    /// Two members share an address.
    #[error("{0} is the address of two members; hint: give every member a port of its own")]
    SameAddress(String),
    /// A member stands in the file twice.
    #[error("{0} stands in the group file twice; hint: every member has one address")]
    Twice(ProcessId),
}

impl Members {
    /// The built-in group: P1, P2 and P3 on localhost:5001 to 5003.
    #[must_use]
    pub fn builtin() -> Self {
        let member = |n: u16| {
            let id = ProcessId::new(&format!("P{n}")).expect("P1 to P3 are identities");
            (id, format!("localhost:{}", 5000 + n))
        };
        Self {
            members: (1..=3).map(member).collect(),
        }
    }

    /// A group of these members.
    ///
    /// # Errors
    ///
    /// [`MembersError`] if they are too few or too many, one is named twice, an address is none, or two share one.
    pub fn new(members: impl IntoIterator<Item = (ProcessId, String)>) -> Result<Self, MembersError> {
        let mut members: Vec<(ProcessId, String)> = members.into_iter().collect();
        members.sort();
        if let Some(twice) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(MembersError::Twice(twice[0].0.clone()));
        }
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return Err(MembersError::Size(members.len()));
        }
        if let Some((id, address)) = members.iter().find(|(_, address)| !is_address(address)) {
            return Err(MembersError::Address(id.clone(), address.clone()));
        }
        let mut addresses: Vec<&String> = members.iter().map(|(_, address)| address).collect();
        addresses.sort();
        if let Some(twice) = addresses.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(MembersError::SameAddress(twice[0].clone()));
        }
        Ok(Self { members })
    }

    /// The group in a file.
    ///
    /// # Errors
    ///
    /// [`MembersError`].
    pub fn read(path: &Path) -> Result<Self, MembersError> {
        let text = std::fs::read(path).map_err(|error| MembersError::Read {
            path: path.to_owned(),
            error,
        })?;
        let Listed(members) = serde_json::from_slice(&text).map_err(|error| MembersError::Form {
            path: path.to_owned(),
            error,
        })?;
        Self::new(members)
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a group has at least one member")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The number of a member.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Member> {
        let place = self
            .members
            .iter()
            .position(|(member, _)| member.as_str() == id)?;
        Some(Member::new(place))
    }

    /// The identity of a member.
    #[must_use]
    pub fn id(&self, member: Member) -> &ProcessId {
        &self.members[member.index()].0
    }

    /// Where a member listens.
    #[must_use]
    pub fn address(&self, member: Member) -> &str {
        &self.members[member.index()].1
    }

    /// A short text that is the same for the same identities: members with different lists notice it when they meet.
    /// Addresses may differ, because a member may be reached under several.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (id, _) in &self.members {
            hash.update(id.as_str().as_bytes());
            hash.update([0]);
        }
        hash.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The members as they stand in a file, one that stands there twice included.
struct Listed(Vec<(ProcessId, String)>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of addresses")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Listed(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ProcessId {
        ProcessId::new(text).unwrap()
    }

    #[test]
    fn members_are_numbered_by_identity() {
        let list = [("P10", "c:1"), ("P2", "b:1"), ("P1", "a:1")].map(|(name, at)| (id(name), at.to_owned()));
        let members = Members::new(list).unwrap();
        assert_eq!(
            (members.find("P2"), members.find("P10")),
            (Some(Member::new(1)), Some(Member::new(2)))
        );
        assert_eq!(
            (members.find("P3"), members.address(Member::new(0))),
            (None, "a:1")
        );
    }

    #[test]
    fn the_fingerprint_is_that_of_the_identities() {
        let moved =
            Members::new([("P1", "x:1"), ("P2", "x:2"), ("P3", "x:3")].map(|(n, a)| (id(n), a.to_owned())));
        assert_eq!(moved.unwrap().fingerprint(), Members::builtin().fingerprint());
        let other = Members::new([("P1", "x:1"), ("P2", "x:2")].map(|(n, a)| (id(n), a.to_owned())));
        assert_ne!(other.unwrap().fingerprint(), Members::builtin().fingerprint());
    }

    #[test]
    fn two_members_need_two_addresses() {
        let same = Members::new([("P1", "x:1"), ("P2", "x:1")].map(|(n, a)| (id(n), a.to_owned())));
        assert!(matches!(same, Err(MembersError::SameAddress(_))));
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let group = |address: &str| Members::new([(id("P1"), address.to_owned())]);
        for address in ["localhost:5001", "10.0.0.1:0", "[::1]:5001", "peer.example:65535"] {
            assert!(group(address).is_ok(), "{address}");
        }
        for address in [
            "",
            "localhost",
            "localhost:",
            ":5001",
            "localhost:65536",
            "localhost:5001/",
        ] {
            assert!(
                matches!(group(address), Err(MembersError::Address(..))),
                "{address}"
            );
        }
    }

    #[test]
    fn a_member_named_twice_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("group.json");
        std::fs::write(&file, r#"{"P1": "x:1", "P2": "x:2", "P1": "x:3"}"#).unwrap();
        assert!(matches!(Members::read(&file), Err(MembersError::Twice(twice)) if twice == id("P1")));
    }
}
