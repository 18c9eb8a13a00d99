//! `example up NAME` runs an example in the foreground, with the servers that it needs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use harness::up::Up;
use stack::note::note;

#[derive(Parser)]
#[command(about = "Runs an example with the servers that it needs")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start an example and its servers, show their logs, stop all with Ctrl-C.
    Up(Up),
}

fn main() -> ExitCode {
    let Verb::Up(up) = Cli::parse().verb;
    up.run().unwrap_or_else(|error| {
        note(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
