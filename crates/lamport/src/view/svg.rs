//! The space-time diagram as SVG: a line per process, time downwards, messages as slanted arrows.

use std::fmt::Write;

use super::layout::{Layout, Node, ROW};
use super::{Run, Style, Theme, cut};
use crate::trace::Kind;

/// Pixels above the first row: title and names.
const TOP: f64 = 84.0;
/// Pixels for the axis.
const GUTTER: f64 = 76.0;
const BOTTOM: f64 = 44.0;
/// The names are repeated after so many pixels, about a screen.
const NAMES_EVERY: f64 = 24.0 * ROW;
/// Pixels that a name keeps from the events of its line.
const NAME_APART: f64 = 14.0;
/// Pixels a character of a label takes on average.
const CHARACTER: f64 = 6.4;
const COLOURS: usize = 8;
/// More arrows than this are a crowd.
const CROWD_MIN: usize = 300;

const LIGHT: &str = "svg{background:#fff}.bg{fill:#fff}text{fill:#1d2530}.h{stroke:#fff}.m{fill:#667085}.line{stroke:#c5ccd8}\
.rule{stroke:#eef1f5}.r{fill:#fff}\
.c0{stroke:#2563c9}.c1{stroke:#c2541b}.c2{stroke:#1f8a55}.c3{stroke:#8e44bd}.c4{stroke:#a87a00}.c5{stroke:#c2356b}.c6{stroke:#0f8296}.c7{stroke:#5c6672}\
.f0{fill:#2563c9}.f1{fill:#c2541b}.f2{fill:#1f8a55}.f3{fill:#8e44bd}.f4{fill:#a87a00}.f5{fill:#c2356b}.f6{fill:#0f8296}.f7{fill:#5c6672}";

const DARK: &str = "svg{background:#12161d}.bg{fill:#12161d}text{fill:#e4e8ef}.h{stroke:#12161d}.m{fill:#98a2b3}.line{stroke:#3a4452}\
.rule{stroke:#1d232d}.r{fill:#12161d}\
.c0{stroke:#7aa7f5}.c1{stroke:#f19a63}.c2{stroke:#62c794}.c3{stroke:#c88eef}.c4{stroke:#e2bb4a}.c5{stroke:#f283ab}.c6{stroke:#5ec7d9}.c7{stroke:#a9b3c1}\
.f0{fill:#7aa7f5}.f1{fill:#f19a63}.f2{fill:#62c794}.f3{fill:#c88eef}.f4{fill:#e2bb4a}.f5{fill:#f283ab}.f6{fill:#5ec7d9}.f7{fill:#a9b3c1}";

const COMMON: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:11.5px}\
.h{paint-order:stroke;stroke-width:3.5px;stroke-linejoin:round}.n{font-weight:600;font-size:13px;text-anchor:middle}\
.T{font-weight:600;font-size:15px}.st{font-weight:600;text-anchor:end}.ax{text-anchor:end;font-size:10.5px}\
.line{stroke-width:2}.a{fill:none;stroke-width:1.4;opacity:.9}.many .a{stroke-width:1;opacity:.5}.a:hover,.many .a:hover{stroke-width:3.5;opacity:1}.e{stroke-width:2}.rule{stroke-width:1}.k{font-size:10.5px;text-anchor:middle}";

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
    label_characters: usize,
    out: String,
}

impl<'r> Picture<'r> {
    fn new(run: &'r Run, style: &'r Style) -> Self {
        let longest = run
            .events
            .iter()
            .map(|event| event.label.chars().count())
            .max()
            .unwrap_or(0);
        // Few processes get wide columns; twenty still fit a large screen.
        let widest: f64 = if run.processes.len() <= 6 { 240.0 } else { 160.0 };
        let column = (longest as f64 * CHARACTER + 70.0).clamp(120.0, widest);
        let label_characters = ((column - 60.0) / CHARACTER) as usize;
        Self {
            run,
            style,
            layout: Layout::new(run, style),
            column,
            label_characters,
            out: String::new(),
        }
    }

    fn draw(mut self) -> String {
        let width = GUTTER + self.column * self.run.processes.len().max(1) as f64 + 30.0;
        let height = TOP + self.layout.height + BOTTOM;
        self.head(width, height);
        self.axis(width);
        self.lines(height);
        // A crowd of arrows is drawn faintly, so that the events stand out.
        let crowd = if self.layout.arrows.len() > CROWD_MIN {
            " class=\"many\""
        } else {
            ""
        };
        put(&mut self.out, format_args!("<g{crowd}>\n"));
        for index in 0..self.layout.arrows.len() {
            self.arrow(index);
        }
        self.out.push_str("</g>\n");
        for index in 0..self.layout.nodes.len() {
            self.node(index);
        }
        self.names(TOP - 22.0);
        let mut y = NAMES_EVERY;
        while y < self.layout.height - NAMES_EVERY / 2.0 {
            self.names(TOP + y + 13.0);
            y += NAMES_EVERY;
        }
        self.names(height - 12.0);
        self.out.push_str("</svg>\n");
        self.out
    }

    fn head(&mut self, width: f64, height: f64) {
        let Self { run, style, out, .. } = self;
        put(
            out,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>"
            ),
        );
        let title = if style.title.is_empty() {
            "Space-time diagram"
        } else {
            &style.title
        };
        escape(out, title);
        put(
            out,
            format_args!(
                "</title>\n<desc>{} events of {} processes, {} messages; time runs downwards.</desc>\n<style>{COMMON}",
                run.events.len(),
                run.processes.len(),
                run.arrows.len()
            ),
        );
        match style.theme {
            Theme::Light => out.push_str(LIGHT),
            Theme::Dark => out.push_str(DARK),
            Theme::Auto => put(
                out,
                format_args!("{LIGHT}@media(prefers-color-scheme:dark){{{DARK}}}"),
            ),
        }
        out.push_str("</style>\n<defs>");
        for colour in 0..COLOURS.min(run.processes.len()) {
            put(
                out,
                format_args!(
                    "<marker id=\"h{colour}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6.5\" markerHeight=\"6.5\" orient=\"auto\"><path class=\"f{colour}\" d=\"M0 .8 8 4 0 7.2z\"/></marker>"
                ),
            );
        }
        put(
            out,
            format_args!("</defs>\n<rect class=\"bg\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n"),
        );
        put(out, format_args!("<text class=\"T\" x=\"16\" y=\"24\">"));
        escape(out, title);
        out.push_str("</text>\n<text class=\"m\" x=\"16\" y=\"41\">● send   ○ receive   ■ local event");
        if run.left_out + run.dropped > 0 {
            put(
                out,
                format_args!(" · not shown: {} left out, {} dropped", run.left_out, run.dropped),
            );
        }
        out.push_str("</text>\n");
    }

    fn axis(&mut self, width: f64) {
        for (y, says) in &self.layout.ticks {
            let y = TOP + y;
            put(
                &mut self.out,
                format_args!(
                    "<path class=\"rule\" d=\"M{GUTTER} {y:.0}H{width:.0}\"/><text class=\"ax m\" x=\"{:.0}\" y=\"{:.0}\">{says}</text>\n",
                    GUTTER - 10.0,
                    y + 4.0
                ),
            );
        }
        for (y, says) in &self.layout.breaks {
            put(
                &mut self.out,
                format_args!(
                    "<text class=\"ax m\" x=\"{:.0}\" y=\"{:.0}\">⋮ {says}</text>\n",
                    GUTTER - 10.0,
                    TOP + y + 4.0
                ),
            );
        }
    }

    fn lines(&mut self, height: f64) {
        for process in 0..self.run.processes.len() {
            let x = self.x(process);
            put(
                &mut self.out,
                format_args!(
                    "<path class=\"line\" d=\"M{x:.0} {:.0}V{:.0}\"/>\n",
                    TOP - 14.0,
                    height - 28.0
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
            escape(&mut self.out, &cut(name, (self.column / 8.0) as usize));
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

    fn arrow(&mut self, index: usize) {
        let (from, to, count) = self.layout.arrows[index];
        let (from, to) = (&self.layout.nodes[from], &self.layout.nodes[to]);
        let (x1, y1, x2, y2) = (self.x(from.process), TOP + from.y, self.x(to.process), TOP + to.y);
        let length = (x2 - x1).hypot(y2 - y1).max(1.0);
        let (dx, dy) = ((x2 - x1) / length, (y2 - y1) / length);
        let colour = from.process % COLOURS;
        if from.process == to.process {
            // A message to itself bows out.
            put(
                &mut self.out,
                format_args!(
                    "<path class=\"a c{colour}\" marker-end=\"url(#h{colour})\" d=\"M{x1:.0} {y1:.0}q-40 {:.0} -6 {:.0}\"/>\n",
                    (y2 - y1) / 2.0,
                    y2 - y1
                ),
            );
            return;
        }
        put(
            &mut self.out,
            format_args!(
                "<path class=\"a c{colour}\" marker-end=\"url(#h{colour})\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>\n",
                x1 + dx * 4.0,
                y1 + dy * 4.0,
                x2 - dx * 6.0,
                y2 - dy * 6.0
            ),
        );
        if count > 1 {
            let (x, y) = (x1 + (x2 - x1) * 0.62, y1 + (y2 - y1) * 0.62 - 4.0);
            put(
                &mut self.out,
                format_args!("<text class=\"k h m\" x=\"{x:.0}\" y=\"{y:.0}\">×{count}</text>\n"),
            );
        }
    }

    fn node(&mut self, index: usize) {
        let node = self.layout.nodes[index].clone();
        let (x, y) = (self.x(node.process), TOP + node.y);
        let first = &self.run.events[node.events[0]];
        let last = &self.run.events[*node.events.last().expect("a node has an event")];
        let colour = node.process % COLOURS;
        self.out.push_str("<g><title>");
        self.tell(&node);
        self.out.push_str("</title>");
        let shape = match first.kind {
            Kind::Send => {
                format!("<circle class=\"e c{colour} f{colour}\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"4.5\"/>")
            }
            Kind::Receive => {
                format!("<circle class=\"e c{colour} r\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"4.5\"/>")
            }
            Kind::Local => format!(
                "<rect class=\"f{colour}\" x=\"{:.0}\" y=\"{:.0}\" width=\"8\" height=\"8\"/>",
                x - 4.0,
                y - 4.0
            ),
        };
        self.out.push_str(&shape);
        // Arrows leave downwards and arrive from above: the texts keep to the other side.
        let baseline = match first.kind {
            Kind::Send => y - 4.0,
            Kind::Receive => y + 13.0,
            Kind::Local => y + 4.0,
        };
        put(
            &mut self.out,
            format_args!(
                "<text class=\"st h\" x=\"{:.0}\" y=\"{:.0}\">{}",
                x - 8.0,
                baseline,
                first.lamport
            ),
        );
        if node.events.len() > 1 {
            put(&mut self.out, format_args!("–{}", last.lamport));
        }
        put(
            &mut self.out,
            format_args!(
                "</text><text class=\"h\" x=\"{:.0}\" y=\"{:.0}\">",
                x + 9.0,
                baseline
            ),
        );
        let room = self
            .label_characters
            .saturating_sub(if node.events.len() > 1 { 5 } else { 0 });
        escape(&mut self.out, &cut(&first.label, room));
        if node.events.len() > 1 {
            put(&mut self.out, format_args!(" ×{}", node.events.len()));
        }
        self.out.push_str("</text></g>\n");
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
            put(
                &mut self.out,
                format_args!(" and {} more like it", node.events.len() - 1),
            );
        } else if let Some(message) = &first.message {
            self.out.push_str(", message ");
            escape(&mut self.out, message);
        }
    }

    fn x(&self, process: usize) -> f64 {
        GUTTER + 46.0 + self.column * process as f64
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
