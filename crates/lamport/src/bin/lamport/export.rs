//! `lamport export`: the run for other programs. All return true: nothing can be broken.

use std::io::{BufWriter, Write as _};

use lamport::trace::Record;
use lamport::view;

use crate::args::{Files, Shiviz};
use crate::{input, show};

pub(crate) fn shiviz(arguments: &Shiviz) -> anyhow::Result<bool> {
    let run = show::read(&arguments.part)?;
    input::output(arguments.output.as_deref(), &view::shiviz(&run))?;
    eprintln!(
        "{} events; regular expression (also the file's first line): {}",
        run.events.len(),
        view::SHIVIZ_PATTERN
    );
    Ok(true)
}

/// One trace of all. It ends with a closing record only if each of them does: whoever reads it must not take what is
/// missing from one that was cut short for something that never happened.
pub(crate) fn lines(arguments: &Files) -> anyhow::Result<bool> {
    let (mut merge, progress) = input::open(&arguments.files)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    let mut write = |record: &Record<'_>| {
        line.clear();
        record.write(&mut line);
        out.write_all(&line)
    };
    let written = merge.for_each(|_, record| match record {
        Record::Closed(_) => Ok(()),
        record => write(&record),
    });
    progress.finish_and_clear();
    written??;
    if let Some(summary) = merge.summary() {
        write(&Record::Closed(summary))?;
    }
    out.flush()?;
    Ok(true)
}
