//! What a terminal makes of its rows when it becomes narrower. The emulator cuts them off, as xterm does; most others
//! break them, as tmux does.

use std::num::NonZero;

/// How a terminal treats rows that no longer fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Narrowing {
    Breaks,
    Cuts,
}

impl Narrowing {
    /// What a terminal of this kind shows once it has so many columns. Texts are ASCII.
    pub(crate) fn narrow(self, terminal: &mut vt100::Parser, columns: NonZero<u16>) {
        let (rows, _) = terminal.screen().size();
        match self {
            Self::Cuts => terminal.screen_mut().set_size(rows, columns),
            Self::Breaks => *terminal = broken(terminal.screen(), columns),
        }
    }
}

/// A row that the terminal has wrapped is one line with the next.
fn broken(screen: &vt100::Screen, columns: NonZero<u16>) -> vt100::Parser {
    let (rows, before) = screen.size();
    let (cursor_row, cursor_column) = screen.cursor_position();
    let (mut lines, mut cursor) = (vec![String::new()], (0, 0));
    for (number, row) in (0..rows.get()).zip(screen.rows(0, before.get())) {
        let line = lines.last_mut().expect("there is always one");
        if number == cursor_row {
            cursor.1 = line.len() + usize::from(cursor_column);
        }
        line.push_str(&row);
        if number == cursor_row {
            cursor.0 = lines.len() - 1;
        }
        if !screen.row_wrapped(number) {
            lines.push(String::new());
        }
    }
    while lines.len() > cursor.0 + 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let width = usize::from(columns.get());
    let rows_of = |line: &String| line.len().div_ceil(width).max(1);
    let (line, offset) = cursor;
    // Behind the last character of a row that is just full, the cursor stays on it.
    let is_behind_full = offset > 0 && offset == lines[line].len() && offset % width == 0;
    let offset = offset - usize::from(is_behind_full);
    let row = lines[..line].iter().map(rows_of).sum::<usize>() + offset / width;
    let scrolled = lines
        .iter()
        .map(rows_of)
        .sum::<usize>()
        .saturating_sub(rows.get().into());
    let mut terminal = vt100::Parser::new(rows, columns, 1000);
    terminal.process(lines.join("\r\n").as_bytes());
    let (row, column) = (row - scrolled + 1, offset % width + 1);
    terminal.process(format!("\x1b[{row};{column}H").as_bytes());
    terminal
}
