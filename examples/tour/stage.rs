//! What the scenes of the tour share: a folder for their traces, terminals shown side by side, and what was proved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use lamport::ProcessId;
use lamport::check::{Check, Merge, Options, Report, Rule};
use lamport::trace::{Service, Tracer};
use lamport::view::{self, Filter, Run, Style};

/// The stage of the tour.
pub(crate) struct Stage {
    folder: PathBuf,
    /// The traces of each scene, in the order in which they were begun.
    traces: BTreeMap<&'static str, Vec<PathBuf>>,
    /// What was checked beside the traces, where, and whether it held.
    checks: Vec<(&'static str, String, bool)>,
    proofs: Vec<Proof>,
}

/// What one person saw.
pub(crate) struct Screen {
    /// Whose terminal it is.
    pub(crate) title: String,
    /// Its lines, oldest first.
    pub(crate) lines: Vec<String>,
}

/// What the traces of a scene say.
struct Proof {
    scene: &'static str,
    report: Report,
    broken: Vec<Rule>,
}

impl Stage {
    /// A stage that leaves traces and diagrams in `folder`, which is emptied first.
    pub(crate) fn new(folder: PathBuf) -> anyhow::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("failed to empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        Ok(Self {
            folder,
            traces: BTreeMap::new(),
            checks: Vec::new(),
            proofs: Vec::new(),
        })
    }

    /// A folder of its own for a scene's data.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Announces a scene.
    pub(crate) fn open_scene(&self, title: &str) {
        heading(title);
    }

    /// Records what `process` does in a trace of its own.
    pub(crate) fn tracer(
        &mut self,
        scene: &'static str,
        process: &str,
        service: Service,
    ) -> anyhow::Result<Tracer> {
        let file = self
            .folder
            .join(format!("{scene}-{}.jsonl", process.to_lowercase()));
        let tracer = Tracer::to_file(&file, ProcessId::new(process)?, service)?;
        self.traces.entry(scene).or_default().push(file);
        Ok(tracer)
    }

    /// Notes whether something holds.
    pub(crate) fn check(&mut self, scene: &'static str, what: impl Into<String>, holds: bool) {
        self.checks.push((scene, what.into(), holds));
    }

    /// Compares what each person saw with what they had to see.
    pub(crate) fn check_screens(&mut self, scene: &'static str, screens: &[(&Screen, &[&str])]) {
        let mut all = true;
        for (screen, expected) in screens {
            if screen.lines != *expected {
                eprintln!("{} had to see {expected:#?}", screen.title);
                all = false;
            }
        }
        let names: Vec<&str> = screens.iter().map(|(screen, _)| &*screen.title).collect();
        self.check(scene, format!("{} saw what they had to see", join(&names)), all);
    }

    /// Proves the scene right from its traces alone: the clock's rules and the service's.
    pub(crate) fn prove(&mut self, scene: &'static str) -> anyhow::Result<()> {
        let mut broken = Vec::new();
        let report = loop {
            let check = Check::new(Options {
                settled: true,
                complete: true,
                lifted: broken.clone(),
                ..Options::default()
            });
            match self.merge(scene)?.check(check)? {
                Ok(report) => break report,
                Err(violation) => {
                    eprintln!("{scene}: {violation}\n{:#?}", violation.events);
                    broken.push(violation.rule);
                }
            }
        };
        self.proofs.push(Proof {
            scene,
            report,
            broken,
        });
        Ok(())
    }

    /// Draws the space-time diagram of a scene, or of a part of it.
    pub(crate) fn draw(&self, scene: &'static str, title: &str, part: &Filter) -> anyhow::Result<()> {
        let run = Run::read(&mut self.merge(scene)?, part)?;
        let style = Style {
            title: title.to_owned(),
            ..Style::default()
        };
        Ok(std::fs::write(self.diagram(scene), view::svg(&run, &style))?)
    }

    /// Prints what was proved. An error if something was not.
    pub(crate) fn conclude(self) -> anyhow::Result<()> {
        heading("What was proved");
        for (scene, what, holds) in &self.checks {
            println!("{} {scene}: {what}", if *holds { "✓" } else { "✗" });
        }
        println!("\nFrom the traces alone, on how many events each rule was put to the test:\n");
        println!("{}", self.rules());
        println!(
            "\n(-: nothing in the scene is what the rule is about; the group's order was causal, not total.)"
        );
        println!("\nSpace-time diagrams:");
        for proof in &self.proofs {
            println!("  {}", shown(&self.diagram(proof.scene)).display());
        }
        println!("The traces are in {}.", shown(&self.folder).display());
        let failed = self.checks.iter().filter(|(_, _, holds)| !holds).count();
        let broken: usize = self.proofs.iter().map(|proof| proof.broken.len()).sum();
        anyhow::ensure!(failed == 0, "{failed} of {} checks failed", self.checks.len());
        anyhow::ensure!(broken == 0, "{broken} rules are broken");
        Ok(())
    }

    /// Rule by rule and service by service: events tested, and violations.
    fn rules(&self) -> Table {
        let mut table = Table::new();
        let scenes = self.proofs.iter().map(|proof| proof.scene);
        table
            .load_style(presets::NOTHING)
            .set_header(["rule"].into_iter().chain(scenes).chain(["violations"]));
        let count = |count| match count {
            0 => "-".to_owned(),
            count => format!("{count}"),
        };
        for rule in Rule::ALL {
            let broken = (self.proofs.iter())
                .filter(|proof| proof.broken.contains(rule))
                .count();
            let tested = self.proofs.iter().map(|proof| count(proof.report.tested(*rule)));
            table.add_row(
                [rule.name().to_owned()]
                    .into_iter()
                    .chain(tested)
                    .chain([broken.to_string()]),
            );
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn merge(&self, scene: &str) -> anyhow::Result<Merge<'static>> {
        let mut merge = Merge::new();
        for file in self.traces.get(scene).into_iter().flatten() {
            merge.open(file)?;
        }
        Ok(merge)
    }

    fn diagram(&self, scene: &str) -> PathBuf {
        self.folder.join(format!("{scene}.svg"))
    }
}

/// Prints the screens beside each other.
pub(crate) fn print_side_by_side(screens: &[&Screen]) {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(screens.iter().map(|screen| &screen.title));
    table.add_row(screens.iter().map(|screen| screen.lines.join("\n")));
    println!("{table}");
}

fn heading(title: &str) {
    println!("\n{title}\n{}\n", "=".repeat(title.chars().count()));
}

/// `A, B and C`.
fn join(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A path as short as it can be said from here.
fn shown(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
