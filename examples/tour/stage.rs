//! What the scenes of the tour share: a folder for their traces, terminals shown side by side, and checks that count.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use comfy_table::{Table, presets};
use lamport::ProcessId;
use lamport::check::{Check, Merge, Options};
use lamport::trace::{Service, Tracer};

/// The stage of the tour.
pub(crate) struct Stage {
    folder: PathBuf,
    /// The traces of each scene, in the order in which they were begun.
    traces: BTreeMap<&'static str, Vec<PathBuf>>,
    /// What was checked, where, and whether it held.
    checks: Vec<(&'static str, String, bool)>,
}

/// What one person saw.
pub(crate) struct Screen {
    /// Whose terminal it is.
    pub(crate) title: String,
    /// Its lines, oldest first.
    pub(crate) lines: Vec<String>,
}

impl Stage {
    /// A stage that leaves its traces in `folder`, which is emptied first.
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
        println!("\n{title}\n{}\n", "=".repeat(title.chars().count()));
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

    /// Compares what a person saw with what they had to see.
    pub(crate) fn check_screen(&mut self, scene: &'static str, screen: &Screen, expected: &[&str]) {
        let holds = screen.lines == expected;
        self.check(
            scene,
            format!("{} sees exactly what the session says", screen.title),
            holds,
        );
        if !holds {
            eprintln!("{} had to see {expected:#?}", screen.title);
        }
    }

    /// Proves the scene right from its traces alone: the clock's rules and the service's. `complete` says that everybody
    /// who sent anything was traced.
    pub(crate) fn check_traces(&mut self, scene: &'static str, complete: bool) -> anyhow::Result<()> {
        let mut merge = Merge::new();
        for file in self.traces.get(scene).into_iter().flatten() {
            merge.open(file)?;
        }
        let outcome = merge.check(Check::new(Options {
            settled: true,
            complete,
            ..Options::default()
        }))?;
        if let Err(violation) = &outcome {
            eprintln!("{violation}");
        }
        self.check(
            scene,
            "the traces keep Lamport's rules and the service's",
            outcome.is_ok(),
        );
        Ok(())
    }

    /// Prints what was proved. An error if something was not.
    pub(crate) fn conclude(self) -> anyhow::Result<()> {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_HORIZONTAL_ONLY)
            .set_header(["", "What was checked", "Scene"]);
        for (scene, what, holds) in &self.checks {
            table.add_row([if *holds { "✓" } else { "✗" }, what, scene]);
        }
        println!("\n{table}\nThe traces are in {}.", self.folder.display());
        let failed = self.checks.iter().filter(|(_, _, holds)| !holds).count();
        anyhow::ensure!(failed == 0, "{failed} of {} checks failed", self.checks.len());
        Ok(())
    }
}

/// Prints the screens beside each other.
pub(crate) fn print_side_by_side(screens: &[Screen]) {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(screens.iter().map(|screen| &screen.title));
    table.add_row(screens.iter().map(|screen| screen.lines.join("\n")));
    println!("{table}");
}
