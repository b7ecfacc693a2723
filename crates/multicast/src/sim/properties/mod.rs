//! The promises, one per file.

pub(super) mod agreement;
pub(super) mod bounded_memory;
pub(super) mod causal_order;
pub(super) mod clock_condition;
pub(super) mod fifo_order;
pub(super) mod integrity;
pub(super) mod numbering;
pub(super) mod total_order;
pub(super) mod validity;

use super::history::History;

/// A promise: its name and the check that says how it was broken.
pub(super) type Property = (&'static str, fn(&History) -> Result<(), String>);

/// All of them. Each looks at the run's order itself.
pub(super) const ALL: [Property; 9] = [
    ("integrity", integrity::check),
    ("validity", validity::check),
    ("agreement", agreement::check),
    ("fifo order", fifo_order::check),
    ("total order", total_order::check),
    ("causal order", causal_order::check),
    ("clock condition", clock_condition::check),
    ("bounded memory", bounded_memory::check),
    ("numbering", numbering::check),
];
