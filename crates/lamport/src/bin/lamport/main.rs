//! `lamport`: check, draw and count what the traces of a run tell.
#![expect(clippy::print_stderr, reason = "a program talks on stderr")]

mod args;
mod check;
mod export;
mod input;
mod show;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, Export};

/// The run breaks a rule.
const BROKEN: u8 = 1;
/// The question could not be answered: a trace that cannot be read, a file that cannot be written.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Rules => show::rules(),
        Command::Diagram(arguments) => show::diagram(&arguments),
        Command::Table(arguments) => show::table(&arguments),
        Command::Export(Export::Shiviz(arguments)) => export::shiviz(&arguments),
        Command::Export(Export::Lines(arguments)) => export::lines(&arguments),
        Command::Stats(arguments) => show::stats(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", format!("{error:#}").replace("; hint: ", "\nhint: "));
            ExitCode::from(FAILED)
        }
    }
}

/// Whoever reads our output, such as `head`, has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
