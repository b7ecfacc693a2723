//! How a member begins: with the journal of its former lives, or with nothing.

use std::path::Path;
use std::sync::Weak;

use super::engine::{Engine, Store, wall_ms};
use super::handshake::order_word;
use super::node::Node;
use crate::core::Memory;
use crate::durable::book::Book;
use crate::durable::journal::{Journal, Owner};
use crate::durable::keeper::Keeper;
use crate::durable::record::Entry;
use crate::group::{Delivery, Event, GroupSettings, JoinError};
use crate::group_file::Members;
use crate::members::Member;

/// What a member remembers of its former lives.
pub(crate) struct Recall {
    journal: Option<Journal>,
}

impl Recall {
    /// Opens the journal, if the member keeps one.
    pub(crate) fn open(settings: &GroupSettings, me: Member) -> Result<Self, JoinError> {
        let directory = settings.data_directory();
        if !settings.is_durable() {
            return match directory.map(|directory| directory.join("journal")) {
                Some(journal) if journal.exists() => Err(JoinError::HasJournal(journal)),
                _ => Ok(Self { journal: None }),
            };
        }
        let directory: &Path = directory.ok_or(JoinError::NowhereToKeep)?;
        let members = settings.members();
        let owner = Owner {
            member: members.id(me).to_string(),
            group: members.fingerprint(),
            order: order_word(settings.order_of_group()).to_owned(),
        };
        let (journal, torn) = Journal::open(directory, owner)?;
        if let Some(at) = torn {
            tracing::info!(
                at,
                "the journal's last write was cut short by a crash; nobody had heard of it"
            );
        }
        Ok(Self {
            journal: Some(journal),
        })
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.journal.is_some()
    }

    /// What the core begins with.
    pub(crate) fn memory(&self, incarnation: u64) -> Memory {
        self.book().map_or_else(
            || Memory {
                incarnation,
                ..Memory::default()
            },
            |book| Memory {
                absent: since_ms(book.told_last_at()) * 1000,
                ..book.memory(incarnation)
            },
        )
    }

    /// What the application was told by former lives: what it took, and what it is to be told again.
    pub(crate) fn events(&self, members: &Members, me: Member) -> (Vec<Event>, Vec<Event>) {
        let Some(book) = self.book() else {
            return Default::default();
        };
        let (mut taken, mut again) = (Vec::new(), Vec::new());
        for (number, entry) in book.entries() {
            let event = event(number, entry, members, me);
            if number > book.taken() {
                again.push(event);
            } else {
                taken.push(event);
            }
        }
        (taken, again)
    }

    /// The engine with the way to its journal. What is stored is told to `node`.
    pub(crate) fn keep(self, engine: Engine, node: &Weak<Node>) -> Engine {
        let Some(journal) = self.journal else {
            return engine;
        };
        let (last, taken) = (journal.book().last(), journal.book().taken());
        let node = Weak::clone(node);
        let on_stored = move |stored| {
            if let Some(node) = node.upgrade() {
                node.stored(stored);
            }
        };
        let keeper = Keeper::start(journal, Box::new(on_stored));
        engine.durable(Store::new(keeper, taken), last)
    }

    fn book(&self) -> Option<&Book> {
        self.journal.as_ref().map(Journal::book)
    }
}

/// Milliseconds since a moment on the wall clock, 0 if it is unknown or yet to come.
fn since_ms(at: Option<u64>) -> u64 {
    at.map_or(0, |at| wall_ms().saturating_sub(at))
}

fn event(number: u64, entry: &Entry, members: &Members, me: Member) -> Event {
    match entry {
        Entry::Delivered {
            message,
            time,
            later,
            at,
        } => Event::Delivered(Delivery {
            number,
            from: members.id(message.id.stream.origin).clone(),
            incarnation: message.id.stream.incarnation,
            sequence: message.id.sequence,
            data: message.data.clone(),
            stamp: message.stamp,
            received: *time,
            at: *at,
            own: message.id.stream.origin == me,
            later: *later,
        }),
        Entry::Missed { stream, from, to } => Event::Missed {
            number,
            from: members.id(stream.origin).clone(),
            incarnation: stream.incarnation,
            first: *from,
            last: *to,
            time: None,
        },
    }
}
