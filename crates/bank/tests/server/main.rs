//! Sessions with the server over TCP, line by line, as any program would hold them.

mod logins;
mod pins;
mod refusals;
mod session;
mod starts;
mod support;
