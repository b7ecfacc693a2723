//! Keeps the line being typed in one piece when the terminal is resized.
//!
//! The editor takes the line to stand as it drew it, and goes up as many rows as it had before it draws it again. Many
//! terminals lay out anew what they show:
//!
//! - A wider one joins the rows that it wrapped itself, and the editor would write over the messages above. A row that
//!   ends with a newline is never joined, so every row of the line ends with one of ours.
//! - A narrower one breaks each row that no longer fits into several, and the editor would leave the first ones where
//!   they are. So we go up those that it does not know of, and clear them.
//!
//! Other terminals cut off what does not fit. There is no asking a terminal which it does, but those that cut are few.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::tcgetwinsize;
use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What the editor asks before it draws the line.
pub(super) struct Wrapping {
    breaks_rows: bool,
    drawn: RefCell<Drawn>,
    interrupted: Arc<AtomicBool>,
}

/// The line as it stands on the terminal.
#[derive(Default)]
struct Drawn {
    columns: usize,
    prompt: String,
    line: String,
    /// Bytes of the line before the cursor.
    cursor: usize,
}

impl Wrapping {
    /// `interrupted` is set by who hands the editor a text to show above the line.
    pub(super) fn new(interrupted: Arc<AtomicBool>) -> Self {
        Self {
            breaks_rows: breaks_rows(|variable| std::env::var(variable).ok()),
            drawn: RefCell::default(),
            interrupted,
        }
    }

    /// The next line to be typed begins on a row of its own.
    pub(super) fn begin(&self) {
        self.drawn.take();
    }
}

impl Highlighter for Wrapping {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        let columns = tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| usize::from(size.ws_col));
        let mut drawn = self.drawn.borrow_mut();
        let before = std::mem::replace(&mut drawn.columns, columns);
        // What was shown meanwhile stands where the rows would be that the editor does not know of.
        let interrupted = self.interrupted.swap(false, Ordering::Relaxed);
        let up = match self.breaks_rows && !interrupted {
            true => drawn.rows_broken(before, columns),
            false => 0,
        };
        prompt.clone_into(&mut drawn.prompt);
        match up {
            _ if columns >= before => prompt.into(),
            0 => format!("\x1b[J{prompt}").into(),
            rows => format!("\x1b[{rows}A\x1b[J{prompt}").into(),
        }
    }

    fn highlight<'l>(&self, line: &'l str, cursor: usize) -> Cow<'l, str> {
        let mut drawn = self.drawn.borrow_mut();
        line.clone_into(&mut drawn.line);
        drawn.cursor = cursor;
        wrapped(line, drawn.prompt.width(), drawn.columns)
    }

    /// Every change is drawn through here, so that we know what stands on the terminal.
    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
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

impl Drawn {
    /// How many rows more there are above the cursor than the editor knows of, once a terminal of `before` columns has
    /// broken those that do not fit into `columns`.
    fn rows_broken(&self, before: usize, columns: usize) -> usize {
        if columns == 0 || columns >= before {
            return 0;
        }
        // The cursor is where the character under it is, if there is one.
        let under_it = self.line[self.cursor..].chars().next().map_or(0, char::len_utf8);
        let text = format!("{}{}", self.prompt, &self.line[..self.cursor + under_it]);
        if text.chars().any(is_of_doubtful_width) {
            return 0;
        }
        rows(&text, 0, before)
            .iter()
            .map(|row| rows(row, 0, columns).len() - 1)
            .sum()
    }
}

/// The line with a newline before each character that no longer fits into a row of so many columns.
fn wrapped(line: &str, prompt_columns: usize, columns: usize) -> Cow<'_, str> {
    if columns <= prompt_columns || line.chars().any(is_of_doubtful_width) {
        return line.into();
    }
    match rows(line, prompt_columns, columns)[..] {
        [_] => line.into(),
        ref rows => rows.join("\n").into(),
    }
}

/// The rows of so many columns that a text fills, if the first one begins after some columns that are taken.
fn rows(text: &str, taken: usize, columns: usize) -> Vec<&str> {
    let mut rows = Vec::new();
    let (mut column, mut start) = (taken, 0);
    for (at, character) in text.char_indices() {
        let width = character.width().unwrap_or_default();
        if column + width > columns {
            rows.push(&text[start..at]);
            (column, start) = (0, at);
        }
        column += width;
    }
    rows.push(&text[start..]);
    rows
}

/// Whether terminals, and the editor by them, differ in how many columns it takes: controls, and what joins emoji.
fn is_of_doubtful_width(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200d}' | '\u{fe0f}' | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Whether the terminal with this environment breaks rows that no longer fit. Where it is not clear it is taken for one
/// that cuts them off: what is left standing is in nobody's way, and what is cleared by mistake is gone.
fn breaks_rows(variable: impl Fn(&str) -> Option<String>) -> bool {
    if variable("TMUX").is_some() {
        return true;
    }
    let term = variable("TERM").unwrap_or_default();
    let cuts = |name: &str| term == name || term.starts_with(&format!("{name}-"));
    let is_xterm_itself = variable("XTERM_VERSION").is_some();
    !(is_xterm_itself
        || ["", "linux", "screen", "st", "vt100", "vt220"]
            .into_iter()
            .any(cuts))
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

    /// Drawn on eight columns, the cursor before the `|`, and then made so narrow.
    fn check_broken(line: &str, columns: usize, rows: usize) {
        let drawn = Drawn {
            columns: 8,
            prompt: "> ".into(),
            line: line.replace('|', ""),
            cursor: line.find('|').unwrap(),
        };
        assert_eq!(drawn.rows_broken(8, columns), rows, "{line:?} on {columns}");
    }

    #[test]
    fn a_narrower_terminal_breaks_the_rows_above_the_cursor() {
        check_broken("abc|", 4, 1);
        check_broken("abcdef|", 3, 2);
        check_broken("|abcdef", 3, 0);
        check_broken("a|bcdef", 3, 1);
        check_broken("ab|cdef", 4, 1);
        // Behind the last character of a row that is just full, the cursor stays on it.
        check_broken("ab|", 4, 0);
        // `> abcdef` and `gh`.
        check_broken("abcdefg|h", 4, 1);
        check_broken("abcdefgh|", 1, 7 + 1);
        // The second row is empty and holds the cursor.
        check_broken("abcdef|", 4, 1);
        check_broken("漢漢漢|", 5, 1);
        check_broken("漢漢漢|", 3, 3);
    }

    #[test]
    fn where_nothing_is_broken_nothing_is_cleared() {
        check_broken("abcdef|", 8, 0);
        check_broken("abcdef|", 20, 0);
        check_broken("abcdef|", 0, 0);
        check_broken("ab👩\u{200d}🚀|", 3, 0);
        assert_eq!(Drawn::default().rows_broken(8, 4), 0);
    }

    #[test]
    fn terminals_that_cut_rows_off_are_known() {
        let check = |environment: &[(&str, &str)], breaks: bool| {
            let found = |name: &str| environment.iter().find(|(known, _)| *known == name);
            let variable = |name: &str| found(name).map(|(_, value)| (*value).to_owned());
            assert_eq!(breaks_rows(variable), breaks, "{environment:?}");
        };
        check(&[("TERM", "xterm-256color")], true);
        check(
            &[("TERM", "xterm-256color"), ("XTERM_VERSION", "XTerm(379)")],
            false,
        );
        check(
            &[
                ("TERM", "screen-256color"),
                ("XTERM_VERSION", "XTerm(379)"),
                ("TMUX", "/tmp/tmux"),
            ],
            true,
        );
        check(&[("TERM", "screen-256color")], false);
        check(&[("TERM", "linux")], false);
        check(&[("TERM", "stterm")], true);
        check(&[], false);
    }
}
