//! The rows of transfers: what is measured against what.

use measure::Spread;

use crate::limits::{Limit, fdatasync};
use crate::load::Outcome;
use crate::report::{Line, number};
use crate::suite::Suite;

/// Times that fdatasync is called for its median.
const SYNCS: usize = 2_000;

impl Suite<'_> {
    /// 1 connection, one at a time, against one sync and one round trip.
    pub(crate) fn single(&self) -> anyhow::Result<Vec<Line>> {
        let what = "1 connection, one at a time";
        let mut p50 = Line::new(
            what,
            "µs p50",
            "fdatasync of 4 KiB + loopback round trip, p50",
            "≤ 2",
        );
        let mut p99 = Line::new("", "µs p99", "the same, p99 + p99", "");
        let mut rate = Line::new("", "transfers/s", "", "");
        let (mut syncs, mut trips) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            self.step("fdatasync");
            let sync = fdatasync(self.place(false)?.path(), SYNCS)?;
            let trip = self.run_limit("a round trip", Limit::Echo, 1, 1)?;
            let (bank, cpu) = self.run_bank(what, 1, 1, false)?;
            let micros = |outcome: &Outcome, share| outcome.latency.quantile_ms(share) * 1000.0;
            syncs.push(sync.p50.as_secs_f64() * 1e6);
            trips.push(micros(&trip, 0.5));
            p50.bank.push(micros(&bank, 0.5));
            p50.limit.push(sync.p50.as_secs_f64() * 1e6 + micros(&trip, 0.5));
            p50.cpu.push(cpu);
            p99.bank.push(micros(&bank, 0.99));
            p99.limit.push(sync.p99.as_secs_f64() * 1e6 + micros(&trip, 0.99));
            rate.bank.push(bank.rate());
        }
        p50.note = format!(
            "fdatasync {} µs, round trip {} µs",
            Spread::of(syncs).show_median(0),
            Spread::of(trips).show_median(0)
        );
        Ok(vec![p50, p99, rate])
    }

    pub(crate) fn against_echo(&self, what: &'static str, window: usize, hot: bool) -> anyhow::Result<Line> {
        let mut line = Line::new(what, "transfers/s", "plain echo server, likewise", "≥ 0.6");
        let (mut p99, mut journal) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let echo = self.run_limit(what, Limit::Echo, 64, window)?.rate();
            journal.push(self.run_limit(what, Limit::Journal, 64, window)?.rate());
            line.limit.push(echo);
            let (bank, cpu) = self.run_bank(what, 64, window, hot)?;
            line.bank.push(bank.rate());
            line.cpu.push(cpu);
            p99.push(bank.latency.quantile_ms(0.99));
        }
        line.note = format!(
            "p99 {} ms; bare journal-file server, likewise: {}",
            Spread::of(p99).show_median(2),
            Spread::of(journal).show_as(number)
        );
        Ok(line)
    }

    /// 90 % between two accounts, against the same without hot accounts.
    pub(crate) fn hot(&self) -> anyhow::Result<Line> {
        let what = "the same, 90 % between two accounts";
        let mut line = Line::new(what, "transfers/s", "without hot accounts", "≥ 0.8");
        for _ in 0..self.rounds {
            line.limit
                .push(self.run_bank("64 connections", 64, 1, false)?.0.rate());
            let (bank, cpu) = self.run_bank(what, 64, 1, true)?;
            line.bank.push(bank.rate());
            line.cpu.push(cpu);
        }
        Ok(line)
    }

    /// 64 × 64, against a server that only keeps a journal; the pipelined echo is for comparison.
    pub(crate) fn pipelined(&self) -> anyhow::Result<Line> {
        let what = "64 connections × 64 on their way";
        let mut line = Line::new(what, "transfers/s", "bare journal-file server", "≥ 450,000");
        let mut p99 = Vec::new();
        for _ in 0..self.rounds {
            line.limit
                .push(self.run_limit(what, Limit::Journal, 64, 64)?.rate());
            let (bank, cpu) = self.run_bank(what, 64, 64, false)?;
            line.bank.push(bank.rate());
            line.cpu.push(cpu);
            p99.push(bank.latency.quantile_ms(0.99));
        }
        let echo = self.run_limit(what, Limit::Echo, 64, 64)?.rate();
        line.note = format!(
            "p99 {} ms; pipelined echo {:.1} M/s",
            Spread::of(p99).show_median(2),
            echo / 1e6
        );
        Ok(line)
    }
}
