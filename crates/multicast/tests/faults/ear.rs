//! What real peers say on their stdout: gathered from all of them, over all their lives, and waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use multicast::client::MessageName;
use serde::Deserialize;

use crate::checker::Said;

/// What all members said, and a bell that rings with every word.
pub(crate) struct Ear {
    heard: Mutex<Vec<Heard>>,
    bell: Condvar,
}

/// What one member said.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) said: Vec<Said>,
    pub(crate) delivered: BTreeSet<MessageName>,
    /// Messages sent by the present life, unless it was killed.
    pub(crate) owed: BTreeSet<MessageName>,
    /// Lines typed at the present life.
    pub(crate) typed: usize,
    /// The stamps of what it sent.
    pub(crate) stamps: Vec<u64>,
    pub(crate) numbered: Numbered,
    /// The present life said its address.
    pub(crate) listening: bool,
}

/// What a member told by numbers, over all its lives.
#[derive(Default, Clone)]
pub(crate) struct Numbered {
    /// All that it was told to be sent.
    pub(crate) acknowledged: BTreeSet<MessageName>,
    /// What it delivered, by number.
    pub(crate) numbers: BTreeMap<u64, MessageName>,
    /// Deliveries that were told again under their number.
    pub(crate) again: usize,
    /// The first number that meant two messages.
    pub(crate) misnumbered: Option<String>,
}

/// A line of a peer's stdout.
#[derive(Deserialize)]
struct Line {
    event: String,
    message: Option<MessageName>,
    #[serde(default)]
    data: String,
    #[serde(default)]
    stamp: u64,
    #[serde(default)]
    number: u64,
}

impl Ear {
    /// For so many members.
    pub(crate) fn new(members: usize) -> Self {
        Self {
            heard: Mutex::new((0..members).map(|_| Heard::default()).collect()),
            bell: Condvar::new(),
        }
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.heard.lock().unwrap()
    }

    /// Waits until what was heard is enough. False after `patience`.
    pub(crate) fn wait(&self, patience: Duration, mut enough: impl FnMut(&[Heard]) -> bool) -> bool {
        let give_up = Instant::now() + patience;
        let mut heard = self.heard();
        while !enough(&heard) {
            let Some(left) = give_up.checked_duration_since(Instant::now()) else {
                return false;
            };
            heard = self.bell.wait_timeout(heard, left).unwrap().0;
        }
        true
    }

    /// Hears a life of a member to its end.
    pub(crate) fn listen(&self, index: usize, output: impl BufRead) {
        let mut lines = output.lines().map_while(Result::ok);
        // The address comes first.
        if lines.next().is_none() {
            return;
        }
        self.with(index, |heard| heard.listening = true);
        for line in lines {
            // The last line of a killed peer may be half a line.
            if let Ok(line) = serde_json::from_str(&line) {
                self.with(index, |heard| heard.note(line));
            }
        }
    }

    fn with(&self, index: usize, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard()[index]);
        self.bell.notify_all();
    }
}

impl Heard {
    fn note(&mut self, line: Line) {
        let Some(message) = line.message else { return };
        match line.event.as_str() {
            "sent" => {
                self.owed.insert(message.clone());
                self.numbered.acknowledged.insert(message.clone());
                self.stamps.push(line.stamp);
                self.said.push(Said::Sent(message, line.data));
            }
            "delivered" => {
                self.numbered.note(line.number, &message);
                self.delivered.insert(message.clone());
                self.said.push(Said::Delivered(message, line.data));
            }
            _ => {}
        }
    }
}

impl Numbered {
    fn note(&mut self, number: u64, message: &MessageName) {
        match self.numbers.insert(number, message.clone()) {
            None => {}
            Some(had) if had == *message => self.again += 1,
            Some(had) => {
                let why = format!("number {number} is {message} and was {had}");
                self.misnumbered.get_or_insert(why);
            }
        }
    }
}
