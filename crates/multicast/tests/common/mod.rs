//! What the tests of the real peers share: the processes, and the checker of what they delivered.

pub mod checker;
