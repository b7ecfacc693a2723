//! The load program's own test: it must find what it is there to find.
//!
//! A limit server with one planted fault among millions of lines has to be caught by the counting check alone and by
//! the full one, and a sound limit server must pass. Without this, "nothing lost" would only mean "nothing noticed".

use std::time::Duration;

use anyhow::ensure;
use measure::machine::Cores;

use crate::limit::Plant;
use crate::load::Pace;
use crate::rows;
use crate::server::Kind;

/// Fewer than ten receivers are only counted; from ten on, some are checked line by line.
const COUNTED_ONLY: usize = 4;
const SOME_CHECKED_FULLY: usize = 10;

/// Runs a sound limit server and one for each fault.
pub(crate) fn run() -> anyhow::Result<()> {
    let cores = Cores {
        server: Vec::new(),
        generator: Vec::new(),
    };
    for plant in [None, Some(Plant::Lose), Some(Plant::Double), Some(Plant::Swap)] {
        for receivers in [COUNTED_ONLY, SOME_CHECKED_FULLY] {
            for senders in [1, 4] {
                check(plant, receivers, senders, &cores)?;
            }
        }
    }
    anstream::println!("self-check: every planted fault was found, and none where there was none");
    Ok(())
}

fn check(plant: Option<Plant>, receivers: usize, senders: usize, cores: &Cores) -> anyhow::Result<()> {
    let kind = Kind::Limit { bare: false, plant };
    let run = rows::fanout(
        &kind,
        cores,
        receivers,
        senders,
        Pace::FlatOut,
        Duration::from_millis(50),
    )?;
    let outcome = &run.outcome;
    let case = format!("{plant:?} with {receivers} receivers and {senders} senders");
    ensure!(outcome.deliveries > 0, "{case}: nothing was delivered");
    let found = match plant {
        None => run.defect().is_none(),
        Some(Plant::Lose) => outcome.lost >= receivers as u64,
        Some(Plant::Double) => outcome.surplus >= receivers as u64,
        // Where only reads are sampled, a swap inside one read shows no difference: that is what the sample is for.
        Some(Plant::Swap) => receivers == COUNTED_ONLY || outcome.faults > 0,
    };
    ensure!(
        found,
        "{case}: {}",
        run.defect().unwrap_or_else(|| "nothing was found".to_owned())
    );
    Ok(())
}
