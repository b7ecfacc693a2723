//! The benchmark's own test: its checks must find what they are there to find.
//!
//! A minimal mesh with one planted fault among hundreds of thousands of messages has to be caught, and a sound one must pass.
//! Without this, "nothing lost" would only mean "nothing noticed".

use std::time::Duration;

use anyhow::ensure;

use crate::minimal::Plant;
use crate::{Mesh, rows};

/// Runs a sound mesh and one for each fault.
pub(crate) fn run() -> anyhow::Result<()> {
    for plant in [None, Some(Plant::Lose), Some(Plant::Double), Some(Plant::Swap)] {
        let run = rows::flat(
            Mesh::Minimal,
            plant,
            false,
            Duration::from_millis(50),
            None,
            Duration::from_secs(2),
        )?;
        ensure!(
            run.messages > 1000,
            "{plant:?}: only {} messages were sent",
            run.messages
        );
        let found = run.defect();
        ensure!(found.is_some() == plant.is_some(), "{plant:?}: found {found:?}");
    }
    let steady = rows::steady(Mesh::Minimal, false, [100; 3], Duration::from_millis(300))?;
    ensure!(
        steady.latencies.len() == 90 && steady.defect().is_none(),
        "every message is timed at every member"
    );
    anstream::println!("self-check: every planted fault was found, and none where there was none");
    Ok(())
}
