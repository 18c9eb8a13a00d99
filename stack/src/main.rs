//! `stack up` runs the whole system in the foreground; `cargo run-all` is its short name. `stack
//! order` and `stack demo` show it at work.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stack::note::note;

mod verbs;

#[derive(Parser)]
#[command(about = "Runs the whole system: two stores, two services, two consumers")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start everything, show its logs, stop it with Ctrl-C.
    Up(verbs::up::Up),
    /// Place one order on the running system and show it until it is final.
    Order(verbs::order::Order),
    /// Compare the records of both services of the running system, as `payments reconcile` does.
    Reconcile(verbs::reconcile::Reconcile),
    /// Tell a story on a private system: paid, refunded, cancelled, recovered.
    Demo(verbs::demo::Demo),
    /// Become another program that dies with its parent (used by this program itself).
    #[command(hide = true)]
    ExecChild(verbs::exec_child::ExecChild),
    /// Become another program with a limit of memory (used by this program itself).
    #[command(hide = true)]
    ExecLimited(verbs::exec_limited::ExecLimited),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Up(up) => up.run(),
        Verb::Order(order) => order.run(),
        Verb::Reconcile(reconcile) => reconcile.run(),
        Verb::Demo(demo) => demo.run(),
        Verb::ExecChild(child) => child.run(),
        Verb::ExecLimited(limited) => limited.run(),
    };
    outcome.unwrap_or_else(|error| {
        note(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
