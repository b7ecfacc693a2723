//! Texts by number, so that the books of a check hold numbers only.

use std::collections::HashMap;

/// Texts by number, in order of their first appearance.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
    /// The one asked for last: most traces belong to one process.
    recent: u32,
}

impl Names {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if self
            .texts
            .get(self.recent as usize)
            .is_some_and(|recent| **recent == *text)
        {
            return self.recent;
        }
        self.recent = match self.numbers.get(text) {
            Some(&number) => number,
            None => {
                let number = u32::try_from(self.texts.len()).expect("fewer names than bytes of memory");
                self.numbers.insert(text.into(), number);
                self.texts.push(text.into());
                number
            }
        };
        self.recent
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    pub(super) fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}
