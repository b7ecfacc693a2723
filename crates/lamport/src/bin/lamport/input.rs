//! Opening the traces, with a progress bar where reading them takes long enough to wonder.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use lamport::check::{Merge, Place};
use lamport::trace::{ReadProblem, Reader};

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

/// The event at a place of a trace that was read before, in full; `None` if it cannot be read again.
pub(crate) fn event(path: &Path, place: Place) -> Option<String> {
    let mut reader = Reader::open(path).ok()?;
    let wanted = (place.line(), place.nth());
    while (reader.line_number(), reader.nth()) < wanted {
        match reader.advance() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) if matches!(error.problem, ReadProblem::Io(_)) => return None,
            // Another line's trouble.
            Err(_) => {}
        }
    }
    if (reader.line_number(), reader.nth()) != wanted {
        return None;
    }
    let mut line = Vec::new();
    reader.record().ok()?.write(&mut line);
    line.pop();
    String::from_utf8(line).ok()
}

/// Writes to the file, or to stdout if there is none.
pub(crate) fn output(path: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match path {
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
        Some(path) => std::fs::write(path, text).map_err(|error| {
            anyhow!(
                "cannot write {}: {error}; hint: name a file in a directory that this user may write to",
                path.display()
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_among_others_that_are_not_to_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let event = |time: u64| {
            format!(
                r#"{{"process":"P1","lamport":{time},"kind":"local","label":"l","at_us":{time},"service":"other"}}"#
            )
        };
        let numbered = event(5).replacen('{', r#"{"as":0,"#, 1);
        let text = format!(
            "{}\n\nnonsense\n{}\n[7,1]\n{numbered}\n[0,1,1]\n{{\"again\":2}}\n{{\"pro",
            event(1),
            event(4)
        );
        std::fs::write(&file, text).unwrap();
        let check = |line, nth, expected: Option<String>| {
            let place = Place::new(0, line).with_nth(nth);
            assert_eq!(super::event(file.path(), place), expected, "{place:?}");
        };
        check(1, 0, Some(event(1)));
        check(2, 0, None);
        check(3, 0, None);
        check(4, 0, Some(event(4)));
        check(5, 0, None);
        check(6, 0, Some(event(5)));
        check(7, 0, Some(event(6)));
        check(7, 1, None);
        check(8, 0, Some(event(7)));
        check(8, 1, Some(event(8)));
        check(8, 2, None);
        check(9, 0, None);
        check(99, 0, None);
    }
}
