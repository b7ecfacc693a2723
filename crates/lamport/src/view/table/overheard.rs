//! What the messages say whose sends are not to be shown: a delivery that is shown should tell its text all the same.

use std::collections::{HashMap, VecDeque};

/// Sends that are remembered: a message is received while its sender sends far fewer others. One that comes later is
/// shown by its identity, and a trace of any length takes no more memory than these.
const SENDS_MAX: usize = 100_000;

/// The texts of the latest sends that were not shown, by the identity of their message.
#[derive(Debug, Default)]
pub(super) struct Overheard {
    texts: HashMap<String, String>,
    /// The same identities, the oldest first.
    order: VecDeque<String>,
}

impl Overheard {
    /// Takes note of what a message says.
    pub(super) fn note(&mut self, message: String, text: &str) {
        if self.order.len() >= SENDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.texts.remove(&oldest);
        }
        self.order.push_back(message.clone());
        self.texts.insert(message, text.to_owned());
    }

    /// What the message says, as far as it is known.
    pub(super) fn text(&self, message: &str) -> Option<&str> {
        self.texts.get(message).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_sends_are_remembered() {
        let mut overheard = Overheard::default();
        for n in 0..=SENDS_MAX {
            overheard.note(format!("P1@{n}"), &n.to_string());
        }
        assert_eq!(overheard.text("P1@0"), None);
        assert_eq!(overheard.text("P1@1"), Some("1"));
        assert_eq!(overheard.text(&format!("P1@{SENDS_MAX}")), Some("100000"));
        assert_eq!(
            (overheard.texts.len(), overheard.order.len()),
            (SENDS_MAX, SENDS_MAX)
        );
    }
}
