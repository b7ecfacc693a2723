//! Blocks: consecutive events of one room, kept as the lines that were broadcast.
//!
//! The store neither parses nor writes JSON: what it gives back is, byte for byte, what was sent.

use bytes::Bytes;

/// The events `first..=last` of a room, one line each, every line ended by a newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Number of the first event.
    pub(super) first: u64,
    /// Number of the last event.
    pub(super) last: u64,
    /// Their lines.
    pub(super) lines: Bytes,
}

impl Block {
    /// How many events it holds.
    pub(super) fn events(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether the lines are as many as the numbers say, the last one ended. It is asked before a block is stored and
    /// again when one is read, so that neither a caller's mistake nor a damaged row is ever served under a wrong
    /// number.
    pub(super) fn is_whole(&self) -> bool {
        count_lines(&self.lines) == Some(self.events())
    }

    /// The part with numbers above `after` and up to `through`, if there is any.
    pub(super) fn cut(&self, after: u64, through: u64) -> Option<Self> {
        let (first, last) = (self.first.max(after.saturating_add(1)), self.last.min(through));
        if first > last {
            return None;
        }
        let start = offset_of(&self.lines, first - self.first);
        let end = start + offset_of(&self.lines[start..], last - first + 1);
        Some(Self {
            first,
            last,
            lines: self.lines.slice(start..end),
        })
    }

    /// The longest beginning of at most `events` events and `bytes` bytes, if that is at least one event.
    pub(super) fn head(&self, events: u64, bytes: usize) -> Option<Self> {
        let fitting = if self.lines.len() <= bytes {
            self.events()
        } else {
            count_newlines(&self.lines[..bytes])
        };
        self.cut(0, (self.first + fitting.min(events)).checked_sub(1)?)
    }

    /// The longest end of at most `events` events and `bytes` bytes, if that is at least one event.
    pub(super) fn tail(&self, events: u64, bytes: usize) -> Option<Self> {
        let fitting = if self.lines.len() <= bytes {
            self.events()
        } else {
            // The newline just before the part that fits ends the line before it.
            let cut_off = self.lines.len() - bytes;
            count_newlines(&self.lines[cut_off - 1..]) - 1
        };
        self.cut(self.last - fitting.min(events), self.last)
    }

    /// Its lines without their newlines.
    pub(super) fn each(&self) -> impl Iterator<Item = Bytes> + '_ {
        let mut start = 0;
        memchr::memchr_iter(b'\n', &self.lines).map(move |end| {
            let line = self.lines.slice(start..end);
            start = end + 1;
            line
        })
    }
}

/// How many lines `lines` holds; nothing if the last one is not ended.
pub(super) fn count_lines(lines: &[u8]) -> Option<u64> {
    (lines.last() == Some(&b'\n')).then(|| count_newlines(lines))
}

fn count_newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Where line number `index` (from 0) begins.
fn offset_of(lines: &[u8], index: u64) -> usize {
    match usize::try_from(index) {
        Ok(0) => 0,
        Ok(index) => memchr::memchr_iter(b'\n', lines)
            .nth(index - 1)
            .map_or(lines.len(), |newline| newline + 1),
        Err(_) => lines.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(first: u64, lines: &[&str]) -> Block {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Block {
            first,
            last: first + lines.len() as u64 - 1,
            lines: text.into(),
        }
    }

    fn check(part: Option<Block>, expected: &str) {
        let shown = part.map(|part| {
            assert!(part.is_whole(), "{part:?}");
            format!(
                "{}-{} {}",
                part.first,
                part.last,
                String::from_utf8_lossy(&part.lines).replace('\n', "|")
            )
        });
        assert_eq!(shown.unwrap_or_default(), expected);
    }

    #[test]
    fn cuts_by_number() {
        let block = block(7, &["a", "bb", "ccc"]);
        check(block.cut(0, u64::MAX), "7-9 a|bb|ccc|");
        check(block.cut(7, 8), "8-8 bb|");
        check(block.cut(9, 20), "");
        check(block.cut(0, 6), "");
    }

    #[test]
    fn takes_what_fits_from_either_end() {
        let block = block(7, &["a", "bb", "ccc"]);
        check(block.head(2, 100), "7-8 a|bb|");
        check(block.head(9, 4), "7-7 a|");
        check(block.head(9, 5), "7-8 a|bb|");
        check(block.head(9, 1), "");
        check(block.tail(2, 100), "8-9 bb|ccc|");
        check(block.tail(9, 4), "9-9 ccc|");
        check(block.tail(9, 6), "9-9 ccc|");
        check(block.tail(9, 7), "8-9 bb|ccc|");
        check(block.tail(9, 3), "");
    }

    #[test]
    fn notices_a_line_too_few_and_an_unfinished_one() {
        let whole = block(1, &["a", "b"]);
        assert!(whole.is_whole());
        assert!(
            !Block {
                last: 3,
                ..whole.clone()
            }
            .is_whole()
        );
        assert!(
            !Block {
                lines: Bytes::from_static(b"a\nb"),
                ..whole
            }
            .is_whole()
        );
    }

    proptest! {
        #[test]
        fn the_lines_of_the_parts_are_the_lines_of_the_whole(
            texts in proptest::collection::vec("[a-z]{0,5}", 1..20), after in 0..25_u64, events in 0..25_u64, bytes in 0..80_usize,
        ) {
            let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
            let whole = block(3, &lines);
            let all: Vec<Bytes> = whole.each().collect();
            prop_assert_eq!(all.len(), texts.len());
            let each = |part: Option<Block>| part.map(|part| part.each().collect::<Vec<_>>()).unwrap_or_default();
            let skipped = usize::try_from(after.saturating_sub(2)).expect("small").min(all.len());
            prop_assert_eq!(each(whole.cut(after, u64::MAX)), all[skipped..].to_vec());
            let head = each(whole.head(events, bytes));
            prop_assert_eq!(&head[..], &all[..head.len()]);
            let tail = each(whole.tail(events, bytes));
            prop_assert_eq!(&tail[..], &all[all.len() - tail.len()..]);
        }
    }
}
