//! The space-time diagram in characters: a column per process, a row per event.

use super::{Run, cut};
use crate::trace::Kind;

const TIME_WIDTH: usize = 8;
const COLUMN_MIN: usize = 6;
const COLUMN_MAX: usize = 16;
const LABEL_MIN: usize = 24;

/// Draws the run for a terminal of so many columns; with more processes than fit it gets wider than that.
///
/// A receive's row carries its arrow from the sender's line: `├───▶○`.
#[must_use]
pub fn text(run: &Run, width: usize) -> String {
    let count = run.processes.len().max(1);
    let column = (width.saturating_sub(TIME_WIDTH + LABEL_MIN) / count).clamp(COLUMN_MIN, COLUMN_MAX);
    let label = width.saturating_sub(TIME_WIDTH + column * count).max(LABEL_MIN);
    let mut senders = vec![None; run.events.len()];
    run.arrows
        .iter()
        .for_each(|(from, to)| senders[*to] = Some(*from));

    let mut out = format!("{:>1$}  ", "time", TIME_WIDTH - 2);
    for name in &run.processes {
        let name = cut(name, column - 1);
        out.push_str(&name);
        out.extend(std::iter::repeat_n(' ', column - name.chars().count()));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    for (index, event) in run.events.iter().enumerate() {
        let sender = senders[index].map(|from: usize| &run.events[from]);
        out.push_str(&format!("{:>1$}  ", event.lamport, TIME_WIDTH - 2));
        out.extend(row(
            run.processes.len(),
            column,
            event.process,
            event.kind,
            sender.map(|sender| sender.process),
        ));
        let mut says = format!("{} {}", run.processes[event.process], event.label);
        if let Some(sender) = sender {
            says.push_str(&format!(
                " ← {}@{}",
                run.processes[sender.process], sender.lamport
            ));
        }
        out.push_str(&cut(&says, label));
        out.push('\n');
    }
    out
}

/// The lines of all processes with the event's mark and, at a receive, the arrow.
fn row(count: usize, column: usize, process: usize, kind: Kind, sender: Option<usize>) -> Vec<char> {
    let mut cells = vec![' '; count * column];
    (0..count).for_each(|line| cells[line * column] = '│');
    let at = process * column;
    if let Some(sender) = sender.filter(|sender| *sender != process) {
        let from = sender * column;
        for cell in &mut cells[from.min(at) + 1..from.max(at)] {
            *cell = if *cell == '│' { '┼' } else { '─' };
        }
        cells[from] = if from < at { '├' } else { '┤' };
        if from < at {
            cells[at - 1] = '▶';
        } else {
            cells[at + 1] = '◀';
        }
    }
    cells[at] = match kind {
        Kind::Send => '●',
        Kind::Receive => '○',
        Kind::Local => '■',
    };
    cells
}
