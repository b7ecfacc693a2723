//! How every client is told where its server is.

use clap::Args;

use super::parse_address;

/// The argument of every client: the server's address, first or as `--server`, which may stand after a command or in the
/// environment. A program sets what differs with `mut_arg`: a default of `server`, another way to read both.
#[derive(Debug, Clone, Args)]
pub struct AddressArgs {
    /// The server's address
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    address: Option<String>,
    /// The same as ADDR, anywhere on the line
    #[arg(long, global = true, value_name = "ADDR", value_parser = parse_address)]
    server: Option<String>,
}

impl AddressArgs {
    /// Where the server is, if that was said or has a default: what stands first wins.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.address.as_deref().or(self.server.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{Parser, Subcommand};

    use super::super::parse_from;
    use super::*;

    #[derive(Debug, Parser)]
    #[command(mut_arg("server", |server| server.default_value("here:1")))]
    struct Program {
        #[command(flatten)]
        address: AddressArgs,
        #[command(subcommand)]
        command: Option<Command>,
    }

    #[derive(Debug, Subcommand)]
    enum Command {
        Status,
    }

    fn check(line: &str, expected: Option<&str>) {
        let words = line.split(' ').map(OsString::from);
        let program = parse_from::<Program>("PROTO_ADDRESS_TEST", words);
        let address = program.as_ref().ok().and_then(|program| program.address.get());
        assert_eq!(address, expected, "{line}");
        if let Ok(program) = program {
            assert_eq!(program.command.is_some(), line.contains("status"), "{line}");
        }
    }

    #[test]
    fn an_address_stands_first_or_behind_its_flag() {
        check("program", Some("here:1"));
        check("program there:2", Some("there:2"));
        check("program --server there:2", Some("there:2"));
        check("program status", Some("here:1"));
        check("program there:2 status", Some("there:2"));
        check("program --server there:2 status", Some("there:2"));
        check("program status --server there:2", Some("there:2"));
        check("program there:2 --server elsewhere:3 status", Some("there:2"));
        check("program nonsense", None);
        check("program --server nonsense", None);
    }
}
