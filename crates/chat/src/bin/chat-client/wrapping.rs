//! Ends the rows of the line being typed ourselves, where the terminal would wrap it.
//!
//! Many terminals join the rows that they have wrapped when they become wider. The editor cannot know that: it goes up as
//! many rows as the line had, and writes over the messages above. A row that ends with a newline is never joined.

use std::borrow::Cow;

use rustix::termios::tcgetwinsize;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use unicode_width::UnicodeWidthChar as _;

/// What the editor asks before it draws the line, which is after a prompt of so many columns.
pub(super) struct Wrapping {
    pub(super) prompt_columns: usize,
}

impl Highlighter for Wrapping {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        let columns = tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| usize::from(size.ws_col));
        wrapped(line, self.prompt_columns, columns)
    }
}

impl Completer for Wrapping {
    type Candidate = String;
}

impl Hinter for Wrapping {
    type Hint = String;
}

impl Validator for Wrapping {}

impl rustyline::Helper for Wrapping {}

/// The line with a newline before each character that no longer fits into a row of so many columns.
fn wrapped(line: &str, prompt_columns: usize, columns: usize) -> Cow<'_, str> {
    if columns <= prompt_columns || line.chars().any(is_of_doubtful_width) {
        return line.into();
    }
    let mut rows = String::new();
    let (mut column, mut row_start) = (prompt_columns, 0);
    for (at, character) in line.char_indices() {
        let width = character.width().unwrap_or_default();
        if column + width > columns {
            rows.push_str(&line[row_start..at]);
            rows.push('\n');
            (column, row_start) = (0, at);
        }
        column += width;
    }
    if rows.is_empty() {
        return line.into();
    }
    rows.push_str(&line[row_start..]);
    rows.into()
}

/// Whether terminals, and the editor by them, differ in how many columns it takes: controls, and what joins emoji.
fn is_of_doubtful_width(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200d}' | '\u{fe0f}' | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a prompt of two columns, on a terminal of eight.
    fn check(line: &str, expected: &str) {
        assert_eq!(wrapped(line, 2, 8), expected, "{line:?}");
    }

    #[test]
    fn rows_end_where_they_are_full() {
        check("", "");
        check("abcdef", "abcdef");
        check("abcdefg", "abcdef\ng");
        check("abcdefghijklmn", "abcdef\nghijklmn");
        check("abcdefghijklmno", "abcdef\nghijklmn\no");
        check("olá, você", "olá, v\nocê");
        // A wide character that would stand on the edge goes to the next row, a combining one stays with its own.
        check("abcde漢", "abcde\n漢");
        check("abcdee\u{301}f", "abcdee\u{301}\nf");
    }

    #[test]
    fn what_may_be_of_any_width_is_left_to_the_terminal() {
        check("abcdefg👩\u{200d}🚀", "abcdefg👩\u{200d}🚀");
        check("abc\tdefgh", "abc\tdefgh");
        assert_eq!(wrapped("abc", 2, 0), "abc");
    }
}
