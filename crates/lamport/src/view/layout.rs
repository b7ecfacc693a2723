//! Where things stand in a diagram: which events are drawn as one, and in which row.

use std::collections::{BTreeMap, HashMap};

use super::{Axis, Fold, Run, Style};

/// From so many events on, a diagram is folded unless asked otherwise: what still fits a few screens.
const FOLD_EVENTS_MIN: usize = 600;

/// Pixels from row to row of the logical axis.
pub(super) const ROW: f64 = 40.0;

/// One mark on a process's line: an event, or several that are alike.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) process: usize,
    /// Indices of the events in the run; one, unless folded.
    pub(super) events: Vec<usize>,
    /// Its events are of several kinds or labels.
    pub(super) mixed: bool,
    /// Pixels from the first row.
    pub(super) y: f64,
}

#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Node>,
    /// From node to node, and how many messages it stands for.
    pub(super) arrows: Vec<(usize, usize, usize)>,
    pub(super) height: f64,
    /// What the axis says, and where.
    pub(super) ticks: Vec<(f64, String)>,
    /// Where pauses are shortened.
    pub(super) breaks: Vec<(f64, String)>,
}

impl Layout {
    pub(super) fn new(run: &Run, style: &Style) -> Self {
        let fold = match style.fold {
            Fold::Auto => run.events.len() >= FOLD_EVENTS_MIN,
            Fold::Always => true,
            Fold::Never => false,
        };
        let mut layout = Self::default();
        let node_of = layout.make_nodes(run, fold);
        layout.make_arrows(run, &node_of);
        match style.axis {
            Axis::Logical if fold => layout.by_level(run),
            Axis::Logical => layout.by_time(run),
            Axis::Wall => layout.by_wall(run),
        }
        layout
    }

    /// Neighbours on a process's line become one node if they are of one kind and label, or if none of them has an arrow.
    /// A run of sends is entered only at its beginning and a run of receives left only at its end, so that folding
    /// never turns the order of events around.
    fn make_nodes(&mut self, run: &Run, fold: bool) -> Vec<usize> {
        let mut partners = vec![false; run.events.len()];
        for &(from, to) in &run.arrows {
            (partners[from], partners[to]) = (true, true);
        }
        let mut open: Vec<Option<usize>> = vec![None; run.processes.len()];
        let mut alone: Vec<bool> = Vec::new();
        let mut node_of = Vec::with_capacity(run.events.len());
        for (index, event) in run.events.iter().enumerate() {
            let joins = open[event.process].filter(|_| fold).and_then(|number| {
                let node = &self.nodes[number];
                let first = &run.events[node.events[0]];
                let alike = !node.mixed && first.kind == event.kind && first.label == event.label;
                (alike || (alone[number] && !partners[index])).then_some((number, alike))
            });
            let node = match joins {
                Some((node, alike)) => {
                    self.nodes[node].events.push(index);
                    self.nodes[node].mixed |= !alike;
                    alone[node] &= !partners[index];
                    node
                }
                None => {
                    alone.push(!partners[index]);
                    self.nodes.push(Node {
                        process: event.process,
                        events: vec![index],
                        mixed: false,
                        y: 0.0,
                    });
                    self.nodes.len() - 1
                }
            };
            open[event.process] = Some(node);
            node_of.push(node);
        }
        node_of
    }

    fn make_arrows(&mut self, run: &Run, node_of: &[usize]) {
        let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for &(from, to) in &run.arrows {
            *counts.entry((node_of[from], node_of[to])).or_default() += 1;
        }
        self.arrows = counts
            .into_iter()
            .map(|((from, to), count)| (from, to, count))
            .collect();
    }

    /// A row for each Lamport time that occurs.
    fn by_time(&mut self, run: &Run) {
        let mut row = 0.0;
        let mut last = None;
        for node in &mut self.nodes {
            let time = run.events[node.events[0]].lamport;
            if last.is_some_and(|last| last != time) {
                row += ROW;
            }
            if last.replace(time) != Some(time) {
                self.ticks.push((row, time.to_string()));
            }
            node.y = row;
        }
        self.height = row;
    }

    /// A row below everything that comes before: the longest chain of causes decides.
    fn by_level(&mut self, run: &Run) {
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut last: Vec<Option<usize>> = vec![None; run.processes.len()];
        let edges = self.arrows.iter().map(|(from, to, _)| (*from, *to));
        let lines =
            self.nodes.iter().enumerate().filter_map(|(index, node)| {
                last[node.process].replace(index).map(|earlier| (earlier, index))
            });
        for (from, to) in edges.chain(lines).collect::<Vec<_>>() {
            before[to].push(from);
            after[from].push(to);
        }
        let mut missing: Vec<usize> = before.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..self.nodes.len()).filter(|node| missing[*node] == 0).collect();
        let mut level = vec![0usize; self.nodes.len()];
        while let Some(node) = ready.pop() {
            level[node] = before[node]
                .iter()
                .map(|earlier| level[*earlier] + 1)
                .max()
                .unwrap_or(0);
            for &later in &after[node] {
                missing[later] -= 1;
                if missing[later] == 0 {
                    ready.push(later);
                }
            }
        }
        for (node, level) in self.nodes.iter_mut().zip(level) {
            node.y = level as f64 * ROW;
            self.height = self.height.max(node.y);
        }
    }

    /// Wall time, with pauses shortened and events of one process kept apart.
    fn by_wall(&mut self, run: &Run) {
        const APART: f64 = ROW;
        const STEP: f64 = 18.0;
        const PAUSE: f64 = 70.0;
        const TICK: f64 = 80.0;
        // A wall clock may be set back, and events may share one look at it; what happened before stands above all the same.
        let mut latest = vec![0; run.processes.len()];
        let at = |node: &Node| {
            let latest: &mut u64 = &mut latest[node.process];
            *latest = (*latest).max(run.events[node.events[0]].at_us);
            *latest
        };
        let at: Vec<u64> = self.nodes.iter().map(at).collect();
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|index| (at[*index], *index));
        let Some(first) = order.first().map(|index| at[*index]) else {
            return;
        };
        let mut gaps: Vec<u64> = order.windows(2).map(|two| at[two[1]] - at[two[0]]).collect();
        gaps.sort_unstable();
        let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(1).max(1) as f64;
        let (mut y, mut now) = (0.0, first);
        let mut last: HashMap<usize, f64> = HashMap::new();
        for index in order {
            let node = &mut self.nodes[index];
            let time = at[index];
            let step = (time - now) as f64 / usual * STEP;
            if step > PAUSE {
                self.breaks.push((y + PAUSE / 2.0, duration(time - now)));
            }
            y += step.min(PAUSE);
            y = last
                .get(&node.process)
                .map_or(y, |above: &f64| y.max(above + APART));
            now = time;
            node.y = y;
            last.insert(node.process, y);
            if self.ticks.last().is_none_or(|(above, _)| y - above >= TICK) {
                self.ticks.push((y, format!("+{}", duration(time - first))));
            }
        }
        self.height = y;
    }
}

/// Microseconds as people read them.
pub(super) fn duration(us: u64) -> String {
    match us {
        0..1000 => format!("{us} µs"),
        1000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}
