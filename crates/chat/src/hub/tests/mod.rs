//! Stories as scripts, and properties over random ones.

mod facts;
mod names;
mod properties;
mod rooms;
mod stage;
