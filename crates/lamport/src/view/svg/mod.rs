//! The space-time diagram as SVG: a line per process, time downwards, messages as slanted arrows.

mod mark;
mod sheet;

use std::fmt::Write;

use super::layout::{Layout, Node, ROW};
use super::{Axis, Run, Style, cut};
use crate::trace::Kind;
use mark::{CHARACTER, HALF, Line};
use sheet::{COLOURS, sheet};

/// Pixels above the first row: title, legend and names.
const TOP: f64 = 104.0;
/// Pixels for the axis: wall times are longer.
const GUTTER_LOGICAL: f64 = 56.0;
const GUTTER_WALL: f64 = 84.0;
/// Pixels that the legend takes with each axis.
const LEGEND_LOGICAL: f64 = 440.0;
const LEGEND_WALL: f64 = 590.0;
const BOTTOM: f64 = 30.0;
/// From the axis to the first process's line.
const FIRST: f64 = 44.0;
/// The names are repeated after so many pixels, about a screen.
const NAMES_EVERY: f64 = 20.0 * ROW;
/// Pixels that a name keeps from the events of its line.
const NAME_APART: f64 = 20.0;
/// Pixels between an arrow's head and the mark it points at.
const HEAD_APART: f64 = 2.5;
/// More arrows than this are a crowd.
const CROWD_MIN: usize = 300;

/// Draws the run. The picture needs nothing but itself; hovering over an event tells all about it.
#[must_use]
pub fn svg(run: &Run, style: &Style) -> String {
    Picture::new(run, style).draw()
}

struct Picture<'r> {
    run: &'r Run,
    style: &'r Style,
    layout: Layout,
    column: f64,
    gutter: f64,
    /// Half the width of the widest mark.
    widest: f64,
    out: String,
}

impl<'r> Picture<'r> {
    fn new(run: &'r Run, style: &'r Style) -> Self {
        let mut picture = Self {
            run,
            style,
            layout: Layout::new(run, style),
            column: 0.0,
            gutter: match style.axis {
                Axis::Logical => GUTTER_LOGICAL,
                Axis::Wall => GUTTER_WALL,
            },
            widest: 0.0,
            out: String::new(),
        };
        let widths = picture.layout.nodes.iter().map(|node| picture.half_width(node));
        picture.widest = widths.fold(HALF, f64::max);
        let longest = run.events.iter().map(|event| event.label.chars().count()).max();
        // Few processes get wide columns; twenty still fit a large screen.
        let most: f64 = if run.processes.len() <= 6 { 240.0 } else { 170.0 };
        let label = longest.unwrap_or(0) as f64 * CHARACTER + 2.0 * picture.widest + 30.0;
        picture.column = label.clamp(130.0, most);
        picture
    }

    fn draw(mut self) -> String {
        let columns = self.column * self.run.processes.len().max(1) as f64;
        let legend = match self.style.axis {
            Axis::Logical => LEGEND_LOGICAL,
            Axis::Wall => LEGEND_WALL,
        };
        let width = (self.gutter + FIRST + columns).max(legend);
        let long = self.layout.height > NAMES_EVERY / 2.0;
        // Below a long picture the names stand once more.
        let end = TOP + self.layout.height + 22.0;
        let height = if long { end + BOTTOM } else { end + 8.0 };
        self.head(width, height);
        self.axis(width);
        self.lines(end);
        let lines = self.arrows();
        if lines.len() <= CROWD_MIN {
            for index in 0..self.layout.nodes.len() {
                self.mark(index, &lines);
            }
        } else {
            // In a crowd a label can only keep out of the way of its own event's arrows.
            let mut own = vec![Vec::new(); self.layout.nodes.len()];
            for (&(from, to, _), line) in self.layout.arrows.iter().zip(&lines) {
                own[from].push(*line);
                own[to].push(*line);
            }
            for (index, lines) in own.iter().enumerate() {
                self.mark(index, lines);
            }
        }
        self.names(TOP - 30.0);
        if long {
            let mut y = NAMES_EVERY;
            while y < self.layout.height - NAMES_EVERY / 2.0 {
                self.names(TOP + y + ROW / 2.0 + 5.0);
                y += NAMES_EVERY;
            }
            self.names(end + 16.0);
        }
        self.out.push_str("</svg>\n");
        self.out
    }

    fn head(&mut self, width: f64, height: f64) {
        let Self { run, style, out, .. } = self;
        let title = if style.title.is_empty() {
            "Space-time diagram"
        } else {
            &style.title
        };
        put(
            out,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>"
            ),
        );
        escape(out, title);
        put(
            out,
            format_args!(
                "</title>\n<desc>{} events of {} processes, {} messages; time runs downwards.</desc>\n<style>{}</style>\n<defs>",
                run.events.len(),
                run.processes.len(),
                run.arrows.len(),
                sheet(style.theme)
            ),
        );
        for colour in 0..COLOURS.min(run.processes.len()) {
            put(
                out,
                format_args!(
                    "<marker id=\"h{colour}\" viewBox=\"0 0 9 8\" refX=\"8.5\" refY=\"4\" markerWidth=\"9\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"f{colour}\" d=\"M0 .5 9 4 0 7.5 1.8 4z\"/></marker>"
                ),
            );
        }
        put(
            out,
            format_args!(
                "</defs>\n<rect class=\"bg\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n<text class=\"T\" x=\"16\" y=\"26\">"
            ),
        );
        escape(out, title);
        out.push_str("</text>\n");
        self.legend();
    }

    /// What the marks mean, and what the way down is.
    fn legend(&mut self) {
        let Self { run, style, out, .. } = self;
        let mut x = 17;
        let mut entry = |fill: &str, corner: u32, says: &str, characters: u32| {
            put(
                out,
                format_args!(
                    "<rect class=\"e c7 {fill}\" x=\"{x}\" y=\"38\" width=\"16\" height=\"10\" rx=\"{corner}\"/><text class=\"m\" x=\"{}\" y=\"47\">{says}</text>",
                    x + 22
                ),
            );
            x += 38 + characters * 7;
        };
        entry("f7", 5, "send", 4);
        entry("r", 5, "receive", 7);
        if run.events.iter().any(|event| event.kind == Kind::Local) {
            entry("f7", 2, "local event", 10);
        }
        put(
            out,
            format_args!(
                "<text class=\"m\" x=\"{x}\" y=\"47\">number: Lamport time{}",
                match style.axis {
                    Axis::Logical => "",
                    Axis::Wall => ", downwards: wall time",
                }
            ),
        );
        if run.left_out + run.dropped > 0 {
            put(
                out,
                format_args!(" · not shown: {} left out, {} dropped", run.left_out, run.dropped),
            );
        }
        out.push_str("</text>\n");
    }

    fn axis(&mut self, width: f64) {
        let gutter = self.gutter;
        for (y, says) in &self.layout.ticks {
            let y = TOP + y;
            put(
                &mut self.out,
                format_args!(
                    "<path class=\"rule\" d=\"M{gutter:.0} {y:.0}H{width:.0}\"/><text class=\"ax m\" x=\"{:.0}\" y=\"{:.0}\">{says}</text>\n",
                    gutter - 10.0,
                    y + 4.0
                ),
            );
        }
        for (y, says) in &self.layout.breaks {
            put(
                &mut self.out,
                format_args!(
                    "<text class=\"ax m\" x=\"{:.0}\" y=\"{:.0}\">⋮ {says}</text>\n",
                    gutter - 10.0,
                    TOP + y + 4.0
                ),
            );
        }
    }

    fn lines(&mut self, end: f64) {
        for process in 0..self.run.processes.len() {
            let x = self.x(process);
            put(
                &mut self.out,
                format_args!(
                    "<path class=\"line\" d=\"M{x:.0} {:.0}V{end:.0}\"/>\n",
                    TOP - 22.0
                ),
            );
        }
    }

    fn names(&mut self, y: f64) {
        for (process, name) in self.run.processes.iter().enumerate() {
            let (x, y) = (self.x(process), self.free(process, y));
            put(
                &mut self.out,
                format_args!(
                    "<text class=\"n h f{}\" x=\"{x:.0}\" y=\"{y:.0}\">",
                    process % COLOURS
                ),
            );
            escape(&mut self.out, &cut(name, (self.column / 9.0) as usize));
            self.out.push_str("</text>\n");
        }
    }

    /// The place nearest to `y` where no event of the process is in the way of its name; `y` itself if it is crowded.
    fn free(&self, process: usize, y: f64) -> f64 {
        let near = |at: f64| {
            let apart = |node: &Node| (TOP + node.y - (at - 5.0)).abs();
            self.layout
                .nodes
                .iter()
                .all(|node| node.process != process || apart(node) > NAME_APART)
        };
        (0..8)
            .flat_map(|step| [y + f64::from(step) * 8.0, y - f64::from(step) * 8.0])
            .find(|at| near(*at))
            .unwrap_or(y)
    }

    /// Draws all arrows and returns where they run.
    fn arrows(&mut self) -> Vec<Line> {
        // A crowd of arrows is drawn faintly, so that the events stand out.
        let crowd = if self.layout.arrows.len() > CROWD_MIN {
            " class=\"many\""
        } else {
            ""
        };
        put(&mut self.out, format_args!("<g{crowd}>\n"));
        let lines = (0..self.layout.arrows.len())
            .map(|index| self.arrow(self.layout.arrows[index]))
            .collect();
        self.out.push_str("</g>\n");
        lines
    }

    fn arrow(&mut self, (from, to, count): (usize, usize, usize)) -> Line {
        let nodes = (from, to);
        let (from, to) = (&self.layout.nodes[from], &self.layout.nodes[to]);
        let (x1, y1, x2, y2) = (self.x(from.process), TOP + from.y, self.x(to.process), TOP + to.y);
        let (half1, half2) = (self.half_width(from), self.half_width(to));
        let colour = from.process % COLOURS;
        if from.process == to.process {
            // A message to itself bows out.
            put(
                &mut self.out,
                format_args!(
                    "<path class=\"a c{colour}\" marker-end=\"url(#h{colour})\" d=\"M{:.0} {y1:.0}q-34 {:.0} 0 {:.0}\"/>\n",
                    x1 - half1,
                    (y2 - y1) / 2.0,
                    y2 - y1
                ),
            );
            return Line::new(nodes, (x1, y1), (x2, y2));
        }
        let length = (x2 - x1).hypot(y2 - y1).max(1.0);
        let (dx, dy) = ((x2 - x1) / length, (y2 - y1) / length);
        // From edge to edge of the marks.
        let edge = |half: f64, apart: f64| {
            let sideways = (half + apart) / dx.abs();
            sideways.min((HALF + apart) / dy.abs().max(f64::EPSILON))
        };
        let (start, end) = (edge(half1, 0.0), edge(half2, HEAD_APART));
        let (x1, y1, x2, y2) = (x1 + dx * start, y1 + dy * start, x2 - dx * end, y2 - dy * end);
        put(
            &mut self.out,
            format_args!(
                "<path class=\"a c{colour}\" marker-end=\"url(#h{colour})\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>\n",
            ),
        );
        if count > 1 {
            let (x, y) = (x1 + (x2 - x1) * 0.62, y1 + (y2 - y1) * 0.62 - 4.0);
            put(
                &mut self.out,
                format_args!("<text class=\"k h m\" x=\"{x:.0}\" y=\"{y:.0}\">×{count}</text>\n"),
            );
        }
        Line::new(nodes, (x1, y1), (x2, y2))
    }

    fn x(&self, process: usize) -> f64 {
        self.gutter + FIRST + self.column * process as f64
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

/// Appends a text so that it is only text; labels are data from anywhere.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // Not characters to XML at all.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}
