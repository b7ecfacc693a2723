//! The mark of an event on its process's line: a capsule that holds the Lamport time, and the label beside it.

use super::sheet::COLOURS;
use super::{Picture, TOP, escape, put};
use crate::trace::Kind;
use crate::view::cut;
use crate::view::layout::Node;

/// Half the height of a mark.
pub(super) const HALF: f64 = 9.0;
/// Pixels of a digit in a mark.
const DIGIT: f64 = 7.0;
/// Pixels between a mark and its label.
const LABEL_APART: f64 = 6.0;
/// Pixels a character of a label takes on average.
pub(super) const CHARACTER: f64 = 6.6;

/// From the middle of a mark to its label's baseline, the best place first: level with it, above, below.
const BASELINES: [f64; 3] = [4.0, -6.0, 14.0];
/// What a label takes above and below its baseline.
const ASCENT: f64 = 10.0;
const DESCENT: f64 = 3.0;

/// How much worse it is to cover one of the event's own arrows, with its head, than one that passes.
const OWN: usize = 3;

/// An arrow's line, from the left to the right, and the nodes it joins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    nodes: (usize, usize),
    left: (f64, f64),
    right: (f64, f64),
}

impl Line {
    pub(super) fn new(nodes: (usize, usize), one: (f64, f64), other: (f64, f64)) -> Self {
        let (left, right) = if one.0 <= other.0 {
            (one, other)
        } else {
            (other, one)
        };
        Self { nodes, left, right }
    }

    /// Whether it runs through the box between two x and two y.
    fn crosses(self, x: (f64, f64), y: (f64, f64)) -> bool {
        let from = x.0.max(self.left.0);
        let to = x.1.min(self.right.0);
        if from >= to {
            return false;
        }
        let slope = (self.right.1 - self.left.1) / (self.right.0 - self.left.0);
        let height = |x: f64| self.left.1 + (x - self.left.0) * slope;
        let (one, other) = (height(from), height(to));
        one.min(other) < y.1 && one.max(other) > y.0
    }
}

/// Where the fewest lines run through the label of the node: from the middle of its mark to the baseline.
fn baseline(node: usize, lines: &[Line], x: f64, y: f64, width: f64) -> f64 {
    let crossed = |baseline: &f64| -> usize {
        let top = y + baseline - ASCENT;
        let area = ((x, x + width), (top, top + ASCENT + DESCENT));
        let crossing = lines.iter().filter(|line| line.crosses(area.0, area.1));
        let own = |line: &Line| line.nodes.0 == node || line.nodes.1 == node;
        crossing.map(|line| if own(line) { OWN } else { 1 }).sum()
    };
    let best = BASELINES.into_iter().min_by_key(crossed);
    best.expect("there are three places")
}

impl Picture<'_> {
    /// Half the width of the node's mark.
    pub(super) fn half_width(&self, node: &Node) -> f64 {
        (self.time(node).chars().count() as f64 * DIGIT / 2.0 + 6.0).max(HALF + 1.0)
    }

    /// The Lamport time of the event, or of the first and the last of several.
    fn time(&self, node: &Node) -> String {
        let first = self.run.events[node.events[0]].lamport;
        match node.events.last() {
            Some(&last) if node.events.len() > 1 => format!("{first}–{}", self.run.events[last].lamport),
            _ => first.to_string(),
        }
    }

    /// Draws the mark and its label, which keeps out of the way of these lines.
    pub(super) fn mark(&mut self, index: usize, lines: &[Line]) {
        let node = self.layout.nodes[index].clone();
        let first = &self.run.events[node.events[0]];
        let (x, y, half) = (self.x(node.process), TOP + node.y, self.half_width(&node));
        self.out.push_str("<g><title>");
        self.tell(&node);
        self.out.push_str("</title>");
        // A send is filled, a receive hollow, a local event has corners.
        let filled = !node.mixed && first.kind != Kind::Receive;
        let round = !node.mixed && first.kind != Kind::Local;
        let colour = node.process % COLOURS;
        let (fill, ink) = match filled {
            true => (format!("f{colour}"), "s".to_owned()),
            false => ("r".to_owned(), format!("f{colour}")),
        };
        put(
            &mut self.out,
            format_args!(
                "<rect class=\"e c{colour} {fill}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"{:.0}\"/>",
                x - half,
                y - HALF,
                2.0 * half,
                2.0 * HALF,
                if round { HALF } else { 2.0 },
            ),
        );
        let time = self.time(&node);
        put(
            &mut self.out,
            format_args!(
                "<text class=\"t {ink}\" x=\"{x:.0}\" y=\"{:.0}\">{time}</text>",
                y + 4.0
            ),
        );
        let more = match node.events.len() {
            1 => String::new(),
            count if node.mixed => format!(" … ×{count}"),
            count => format!(" ×{count}"),
        };
        let room = ((self.column - half - self.widest - 2.0 * LABEL_APART) / CHARACTER) as usize;
        let label = cut(&first.label, room.saturating_sub(more.chars().count()).max(4));
        let width = (label.chars().count() + more.chars().count()) as f64 * CHARACTER;
        let left = x + half + LABEL_APART;
        let baseline = y + baseline(index, lines, left, y, width);
        put(
            &mut self.out,
            format_args!("<text class=\"h\" x=\"{left:.0}\" y=\"{baseline:.0}\">"),
        );
        escape(&mut self.out, &label);
        put(&mut self.out, format_args!("{more}</text></g>\n"));
    }

    /// All about an event, or how many there are.
    fn tell(&mut self, node: &Node) {
        let first = &self.run.events[node.events[0]];
        escape(&mut self.out, &self.run.processes[node.process]);
        put(
            &mut self.out,
            format_args!(" at {}: {} ", first.lamport, first.kind.as_str()),
        );
        escape(&mut self.out, &first.label);
        if node.events.len() > 1 {
            let alike = if node.mixed {
                "whose partners are not shown"
            } else {
                "like it"
            };
            put(
                &mut self.out,
                format_args!(" and {} more {alike}", node.events.len() - 1),
            );
        } else if let Some(message) = &first.message {
            self.out.push_str(", message ");
            escape(&mut self.out, message);
        }
    }
}
