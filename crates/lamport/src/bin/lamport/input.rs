//! Opening the traces, with a progress bar where reading them takes long enough to wonder.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use lamport::check::Merge;
use lamport::trace::Reader;

/// From so many bytes on, about half a second of work, a progress bar shows; only ever on a terminal.
const PROGRESS_BYTES_MIN: u64 = 64 << 20;

/// The traces, ready to be read, and the bar to be cleared when they are.
pub(crate) fn open(files: &[PathBuf]) -> anyhow::Result<(Merge<'static>, ProgressBar)> {
    let mut opened = Vec::new();
    let mut bytes = 0;
    for path in files {
        let file = File::open(path).map_err(|error| {
            anyhow!(
                "cannot open {}: {error}; hint: give the files that the services wrote with --trace",
                path.display()
            )
        })?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            bail!(
                "{0} is a directory; hint: {0}/*.jsonl names its files",
                path.display()
            );
        }
        bytes += metadata.len();
        opened.push((path.display().to_string(), file));
    }
    let progress = if bytes < PROGRESS_BYTES_MIN {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(bytes)
    };
    let style = "{bar:40} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left";
    progress.set_style(ProgressStyle::with_template(style).expect("the template is well formed"));
    let mut merge = Merge::new();
    for (name, file) in opened {
        merge.add(
            &name,
            BufReader::with_capacity(128 * 1024, progress.wrap_read(file)),
        )?;
    }
    Ok((merge, progress))
}

/// The event on a line of a trace, in full; `None` if it cannot be read again.
pub(crate) fn line(path: &Path, number: u64) -> Option<String> {
    let mut reader = Reader::open(path).ok()?;
    let mut line = Vec::new();
    while let Some(record) = reader.read().ok()? {
        record.write(&mut line);
        if reader.line_number() == number {
            let text = String::from_utf8(line).ok()?;
            return Some(text.trim_end().to_owned());
        }
        line.clear();
    }
    None
}

/// Writes to the file, or to stdout if there is none.
pub(crate) fn output(path: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match path {
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
    }
}
