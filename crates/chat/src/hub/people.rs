//! Who is connected, under which name, and which names are protected.

use std::collections::{BTreeMap, BTreeSet};

use super::flood::Bucket;
use super::io::{ConnectionId, Registration, RoomId};
use crate::names::{Name, NameKey};
use crate::ops::Token;

/// All connections and the names they hold.
///
/// Invariant: every key of every member's name leads to that member, and no key leads anywhere else. So no two
/// members have the same name.
#[derive(Debug, Default)]
pub(super) struct People {
    connections: BTreeMap<ConnectionId, Person>,
    holders: BTreeMap<NameKey, ConnectionId>,
    /// Protected names by each of their keys, as an index into `registrations`.
    protected: BTreeMap<NameKey, usize>,
    registrations: Vec<Registration>,
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Person {
    pub(super) bucket: Bucket,
    pub(super) member: Option<Member>,
}

/// Somebody who has joined.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) token: Token,
    /// The rooms it is in; the one entered last is the last.
    pub(super) rooms: Vec<RoomId>,
}

/// Which registration protects a name. Registrations are never taken back, so it stays the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RegistrationId(usize);

impl People {
    pub(super) fn open(&mut self, connection: ConnectionId) {
        self.connections.insert(connection, Person::default());
    }

    pub(super) fn person(&self, connection: ConnectionId) -> Option<&Person> {
        self.connections.get(&connection)
    }

    pub(super) fn person_mut(&mut self, connection: ConnectionId) -> Option<&mut Person> {
        self.connections.get_mut(&connection)
    }

    pub(super) fn member(&self, connection: ConnectionId) -> Option<&Member> {
        self.connections.get(&connection)?.member.as_ref()
    }

    pub(super) fn member_mut(&mut self, connection: ConnectionId) -> Option<&mut Member> {
        self.connections.get_mut(&connection)?.member.as_mut()
    }

    /// The members whose names are the same as this one: usually one at most.
    pub(super) fn holders(&self, name: &Name) -> BTreeSet<ConnectionId> {
        name.keys()
            .iter()
            .filter_map(|key| self.holders.get(key))
            .copied()
            .collect()
    }

    /// Gives a connection its name. Nobody else may hold it.
    pub(super) fn admit(&mut self, connection: ConnectionId, member: Member) {
        self.hold(connection, &member.name);
        if let Some(person) = self.connections.get_mut(&connection) {
            person.member = Some(member);
        }
    }

    /// Gives a member another name; returns the one before.
    pub(super) fn rename(&mut self, connection: ConnectionId, name: Name) -> Option<Name> {
        let before = std::mem::replace(&mut self.member_mut(connection)?.name, name.clone());
        self.let_go(&before);
        self.hold(connection, &name);
        Some(before)
    }

    /// Forgets a connection; returns who it was, if it had joined.
    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<Member> {
        let member = self.connections.remove(&connection)?.member?;
        self.let_go(&member.name);
        Some(member)
    }

    /// Forgets all connections.
    pub(super) fn clear(&mut self) {
        self.connections.clear();
        self.holders.clear();
    }

    /// What protects a name.
    pub(super) fn protection(&self, name: &Name) -> Option<RegistrationId> {
        name.keys()
            .iter()
            .find_map(|key| self.protected.get(key))
            .copied()
            .map(RegistrationId)
    }

    pub(super) fn registration(&self, id: RegistrationId) -> &Registration {
        &self.registrations[id.0]
    }

    pub(super) fn registrations_count(&self) -> usize {
        self.registrations.len()
    }

    /// Protects a name, or changes what protects it.
    pub(super) fn register(&mut self, registration: Registration) {
        if let Some(known) = self.protection(&registration.name) {
            self.registrations[known.0].hash = registration.hash;
            return;
        }
        for key in registration.name.keys() {
            self.protected.insert(key.clone(), self.registrations.len());
        }
        self.registrations.push(registration);
    }

    fn hold(&mut self, connection: ConnectionId, name: &Name) {
        for key in name.keys() {
            let before = self.holders.insert(key.clone(), connection);
            debug_assert!(before.is_none(), "two members would have the name {name}");
        }
    }

    fn let_go(&mut self, name: &Name) {
        for key in name.keys() {
            self.holders.remove(key);
        }
    }
}
