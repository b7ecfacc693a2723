//! What the wire tests share: the banks under test, connections, loads, and the checkers of what was seen.

pub(crate) mod bank;
pub(crate) mod history;
pub(crate) mod line;
pub(crate) mod linear;
pub(crate) mod load;
pub(crate) mod program;
pub(crate) mod random;
pub(crate) mod toy;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

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

static MACHINE: RwLock<()> = RwLock::new(());

/// Heavy tests that need the machine for themselves: they count what a process holds, or compare how long something takes.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Heavy tests that may run beside each other, not beside those that are [`alone`]: they judge what was said and mostly wait.
pub(crate) fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}
