//! What the wire tests share: the banks under test, connections, loads, and the checkers of what was seen.

pub(crate) mod bank;
pub(crate) mod history;
pub(crate) mod line;
pub(crate) mod linear;
pub(crate) mod load;
pub(crate) mod program;
pub(crate) mod random;
pub(crate) mod toy;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether the long sizes are asked for.
pub(crate) fn slow() -> bool {
    std::env::var_os("ANTES_SLOW").is_some_and(|value| value != "0" && !value.is_empty())
}

/// How many cycles: the quick size, the slow one, or what `ANTES_CYCLES` says.
pub(crate) fn cycles(quick: usize, thorough: usize) -> usize {
    let asked = std::env::var("ANTES_CYCLES")
        .ok()
        .and_then(|text| text.parse().ok());
    asked.unwrap_or(if slow() { thorough } else { quick })
}

/// Heavy tests run one at a time: they load the machine, and each would be the other's disturbance.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static HEAVY: Mutex<()> = Mutex::new(());
    HEAVY.lock().unwrap_or_else(PoisonError::into_inner)
}
