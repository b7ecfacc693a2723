//! For the benchmarks: what measuring one service has in common with measuring another.
//!
//! - [`machine`]: what it is measured on, which cores are whose, what a process used;
//! - [`ServerProcess`]: a server under load, a process of its own on the servers' cores;
//! - [`Histogram`]: the latencies of millions of requests;
//! - [`Spread`] and [`table`]: a figure over several rounds, and tables of such figures.

mod histogram;
pub mod machine;
mod process;
mod spread;

pub use histogram::Histogram;
pub use process::ServerProcess;
pub use spread::{Spread, table};
