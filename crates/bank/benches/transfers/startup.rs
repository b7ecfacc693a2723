//! How long a start takes with a large directory, and what an account costs in memory.

use std::path::Path;

use anyhow::Context;
use measure::ServerProcess;

use crate::report::Line;
use crate::server;
use crate::suite::Suite;

impl Suite<'_> {
    /// 1,000,000 accounts and 10,000,000 entries, replayed and from a snapshot.
    pub(crate) fn startup(&self) -> anyhow::Result<Vec<Line>> {
        let (accounts, entries) = if self.args.quick {
            (100_000, 1_000_000)
        } else {
            (1_000_000, 10_000_000)
        };
        let started = |line: &mut Line, data: &Path| -> anyhow::Result<ServerProcess> {
            let server = server::start(&self.bank, data, &self.cores)?;
            line.bank.push(server.started_in.as_secs_f64());
            Ok(server)
        };
        let mut replayed = Line::new("start with 1 M accounts, 10 M entries", "s", "", "< 10 s");
        replayed.note = "from the journal alone, and a snapshot made".to_owned();
        let mut saved = Line::new("", "s", "", "");
        saved.note = "from a snapshot".to_owned();
        let mut memory = Line::new("memory of an account", "bytes", "", "< 300");
        if self.args.quick {
            replayed.what = "start with 100,000 accounts, 1 M entries";
        }

        self.step("filling a directory");
        let place = self.place(false)?;
        self.generate(place.path(), accounts, entries)?;
        for round in 1..=self.rounds {
            self.step("starting with a replay");
            // So much to replay makes even a start keep a snapshot.
            remove_snapshots(place.path())?;
            let server = started(&mut replayed, place.path())?;
            // The others are killed; the last one ends in order.
            if round == self.rounds {
                server::stop(server)?;
            }
        }
        let resident = |server: &ServerProcess| {
            let memory = server.memory().context("no memory figures on this system")?;
            anyhow::Ok(memory.resident as f64)
        };
        let mut many = Vec::new();
        for _ in 0..self.rounds {
            self.step("starting from a snapshot");
            // From the snapshot it has what it keeps, without what reading a journal leaves behind.
            many.push(resident(&started(&mut saved, place.path())?)?);
        }
        self.step("memory of a bank with 10 accounts");
        let small = self.place(false)?;
        self.generate(small.path(), 10, 0)?;
        let few = resident(&server::start(&self.bank, small.path(), &self.cores)?)?;
        let per_account = |many: &f64| (many - few) / f64::from(accounts);
        memory.bank.extend(many.iter().map(per_account));
        Ok(vec![replayed, saved, memory])
    }
}

/// Leaves nothing but the journal.
fn remove_snapshots(data: &Path) -> std::io::Result<()> {
    for file in std::fs::read_dir(data)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("snapshot-") {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
