//! Bad input and faults: each with the exact code, and afterwards the server lives and has lost nothing.
//!
//! Quick ones run in full. The slow ones run smaller unless `ANTES_SLOW=1`, as `.ci/run` sets it; their doc comments
//! say by how much.

mod churn;
mod connections;
mod flow;
mod footprint;
mod framing;
mod process;
mod program;
mod requests;
mod rooms;
mod stage;
mod time;
