//! The program itself, from its start to its end, on files.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use lamport::check::{Check, Merge, Options};
use lamport::trace::{Record, Summary};

use crate::runs::Run;

/// A run on the disk.
struct Files(Vec<PathBuf>);

impl Files {
    fn write(run: &Run) -> Self {
        let write = |(name, _, bytes): &(String, u64, Vec<u8>)| {
            let mut bytes = bytes.clone();
            Record::Closed(Summary::default()).write(&mut bytes);
            let file = format!("lamport-{}-{name}.trace.jsonl", std::process::id());
            let path = std::env::temp_dir().join(file);
            std::fs::write(&path, bytes).expect("written");
            path
        };
        Self(run.processes.iter().map(write).collect())
    }

    /// Seconds that the program takes, and what it says.
    fn run(&self, arguments: &[&str]) -> (f64, Vec<u8>) {
        let start = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_lamport"))
            .args(arguments)
            .args(&self.0)
            .stderr(Stdio::inherit())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{arguments:?} failed");
        (start.elapsed().as_secs_f64(), output.stdout)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            // What cannot be removed is left to the system's temporary directory.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// `lamport check`, and how much memory the check takes.
pub(crate) fn check(run: &Run) {
    let files = Files::write(run);
    let (seconds, _) = files.run(&["check", "--settled"]);
    let name = format!("lamport check: {}, {} files", run.service.as_str(), files.0.len());
    println!(
        "{name:52} {:8.1} ns {:10.2} M/s, {} MiB more at the peak",
        seconds * 1e9 / run.events as f64,
        run.events as f64 / seconds / 1e6,
        memory_of_check(&files)
    );
}

/// `lamport diagram`, folded as it is by default, and with every event.
pub(crate) fn draw(run: &Run) {
    let files = Files::write(run);
    for fold in ["auto", "never"] {
        let (seconds, svg) = files.run(&["diagram", "--fold", fold]);
        let name = format!(
            "lamport diagram: {} events, {} processes, fold {fold}",
            run.events,
            files.0.len()
        );
        println!(
            "{name:52} {:8.1} ms {:10.0} KB",
            seconds * 1e3,
            svg.len() as f64 / 1e3
        );
    }
}

/// MiB at the peak beyond what this program has already.
fn memory_of_check(files: &Files) -> u64 {
    let before = memory_kib("VmRSS:");
    // Resets the peak; not allowed everywhere, and then the peak is that of the whole program.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let mut merge = Merge::new();
    for path in &files.0 {
        merge.open(path).expect("just written");
    }
    let options = Options {
        settled: true,
        ..Options::default()
    };
    let report = merge.check(Check::new(options)).expect("well formed");
    report.expect("an honest run");
    memory_kib("VmHWM:").saturating_sub(before) / 1024
}

fn memory_kib(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
