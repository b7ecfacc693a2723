//! A short line while it is written: element by element, each as what is new against the one before.

use super::super::event::Message;
use super::super::json::{escape, integer, shown};
use super::super::limits::{LABEL_BYTES_MAX, SHORT_LABEL_BYTES_MAX};
use super::digits::comma_integer;

/// What most short lines take at most.
const LINE_BYTES: usize = 128;

/// A short line being written.
pub(super) struct Line<'o> {
    out: &'o mut Vec<u8>,
    /// Elements that change nothing, not written yet: at the end of the line they are left out.
    zeros: usize,
    /// A text is among the elements.
    texts: bool,
}

impl<'o> Line<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>, number: u32) -> Self {
        // Room for what most lines take, so that nothing grows in between.
        out.reserve(LINE_BYTES);
        out.push(b'[');
        integer(out, number);
        Self {
            out,
            zeros: 0,
            texts: false,
        }
    }

    #[inline]
    pub(super) fn count(&mut self, known: &mut Counter, count: u64) -> Option<()> {
        let by = count.wrapping_sub(known.count) as i64;
        if known.count.checked_add_signed(by) != Some(count) {
            return None;
        }
        self.change(by);
        *known = Counter { count, by };
        Some(())
    }

    #[inline]
    pub(super) fn change(&mut self, change: i64) {
        if change == 0 {
            self.zeros += 1;
        } else {
            self.zeros();
            comma_integer(self.out, change);
        }
    }

    #[inline]
    pub(super) fn message(&mut self, known: &mut Identity, message: Message<'_>, time: u64) -> Option<()> {
        let (text, count) = parts(message, time);
        if same(&known.text, text) {
            return self.count(&mut known.counter, count);
        }
        self.texts = true;
        known.text.clear();
        known.text.push_str(text);
        known.counter = Counter::new(count);
        self.open();
        escape(self.out, text);
        match message {
            Message::None | Message::Own | Message::Text(_) => {}
            Message::Sent { .. } => self.out.push(b'@'),
            Message::Request { .. } => self.out.push(b'/'),
        }
        if !matches!(message, Message::Text(_)) {
            integer(self.out, count);
        }
        self.out.push(b'"');
        Some(())
    }

    /// Whether the text is another.
    #[inline]
    pub(super) fn text(&mut self, known: &str, text: &str) -> bool {
        if same(known, text) {
            self.zeros += 1;
            return false;
        }
        self.texts = true;
        self.open();
        escape(self.out, text);
        self.out.push(b'"');
        true
    }

    /// A label: as much of it as a short line tells, unless it is the one before, which may have had more.
    #[inline]
    pub(super) fn label(&mut self, known: &mut String, label: &str) {
        let is = |known: &str, (label, cut): (&str, &str)| {
            let parts = known.split_at_checked(label.len());
            parts.is_some_and(|(head, tail)| same(tail, cut) && same(head, label))
        };
        let short = shown(label, SHORT_LABEL_BYTES_MAX);
        if is(known, short) || !short.1.is_empty() && is(known, shown(label, LABEL_BYTES_MAX)) {
            return;
        }
        self.texts = true;
        known.clear();
        known.push_str(short.0);
        known.push_str(short.1);
        self.open();
        escape(self.out, short.0);
        // By itself, so that it does not keep the text before it from going quickly.
        self.out.extend_from_slice(short.1.as_bytes());
        self.out.push(b'"');
    }

    fn open(&mut self) {
        self.zeros();
        self.out.extend_from_slice(b",\"");
    }

    /// The elements that changed nothing: another follows them.
    #[inline]
    fn zeros(&mut self) {
        for _ in 0..std::mem::take(&mut self.zeros) {
            self.out.extend_from_slice(b",0");
        }
    }

    /// Ends the line. Whether it holds nothing but integers.
    pub(super) fn end(self) -> bool {
        self.out.extend_from_slice(b"]\n");
        !self.texts
    }
}

/// A time or a count, and by how much it changed last.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub(super) count: u64,
    by: i64,
}

impl Counter {
    pub(super) const fn new(count: u64) -> Self {
        Self { count, by: 0 }
    }

    /// Whether it did not change last.
    pub(super) const fn stands(self) -> bool {
        self.by == 0
    }

    /// Changes it so many times by as much as last.
    pub(super) const fn repeat(&mut self, times: u32) {
        self.count = self.count.wrapping_add_signed(self.by.wrapping_mul(times as i64));
    }

    /// Whether it changes to that by as much as last.
    pub(super) fn goes_on_to(self, count: u64) -> bool {
        self.count.checked_add_signed(self.by) == Some(count)
    }
}

/// The identity of a message: a text and the count at its end.
pub(super) struct Identity {
    text: String,
    counter: Counter,
}

impl Identity {
    pub(super) fn new(message: Message<'_>, time: u64) -> Self {
        let (text, count) = parts(message, time);
        Self {
            text: text.to_owned(),
            counter: Counter::new(count),
        }
    }

    /// Whether it changes to that of the message by as much as last.
    pub(super) fn goes_on_to(&self, message: Message<'_>, time: u64) -> bool {
        let (text, count) = parts(message, time);
        self.counter.goes_on_to(count) && same(&self.text, text)
    }

    /// Counts on so many times by as much as last.
    pub(super) const fn repeat(&mut self, times: u32) {
        self.counter.repeat(times);
    }

    /// Makes it that of the message, which it goes on to.
    pub(super) fn go_on_to(&mut self, message: Message<'_>, time: u64) {
        self.counter.count = parts(message, time).1;
    }
}

/// The text of a message's identity and the count at its end.
fn parts(message: Message<'_>, time: u64) -> (&str, u64) {
    match message {
        Message::None => ("", 0),
        Message::Own => ("", time),
        Message::Sent { process, time } => (process, time),
        Message::Request { connection, number } => (connection, number),
        Message::Text(text) => (text, 0),
    }
}

/// Whether the texts are equal, by hand: most have less than 16 bytes, and the library's comparison, made for longer ones,
/// takes several times as long.
#[inline]
pub(super) fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    // The last word may overlap the one before it.
    if let (Some(end), Some(other_end)) = (one.last_chunk(), other.last_chunk()) {
        let mut words = one.as_chunks().0.iter().zip(other.as_chunks().0);
        return u64::from_ne_bytes(*end) == u64::from_ne_bytes(*other_end)
            && words.all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other));
    }
    if let (Some(start), Some(end), Some(other_start), Some(other_end)) = (
        one.first_chunk(),
        one.last_chunk(),
        other.first_chunk(),
        other.last_chunk(),
    ) {
        return u32::from_ne_bytes(*start) == u32::from_ne_bytes(*other_start)
            && u32::from_ne_bytes(*end) == u32::from_ne_bytes(*other_end);
    }
    one.iter().zip(other).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every length that is compared another way, and at every place.
    #[test]
    fn texts_are_the_same_only_if_no_byte_differs() {
        for length in 0..40 {
            let text: String = ('!'..).take(length).collect();
            assert!(same(&text, &text.clone()), "{text}");
            assert!(
                !same(&text, &format!("{text}!")) && !same(&format!("{text}!"), &text),
                "{text}"
            );
            for place in 0..length {
                let mut other = text.clone();
                other.replace_range(place..=place, "~");
                assert!(!same(&text, &other), "{text} and {other}");
            }
        }
    }
}
