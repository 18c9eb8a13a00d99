//! Runs a system in the foreground for a person at a terminal: its log with a name before each line,
//! processes that are started again when they end, and an end that leaves no process behind.

use std::process::ExitCode;

use anyhow::Result;

use crate::note::note;
use crate::signals::Signals;

pub use folder::Folder;
pub use output::{Colors, Output};
pub use revival::Revival;

mod folder;
mod output;
mod revival;

/// The processes of a system, and how they end.
pub trait Stop {
    /// Stops all processes in order, and waits until they have ended.
    fn stop(&self) -> impl Future<Output = ()>;

    /// Kills all processes.
    fn kill(&self);
}

/// Waits for `work`, which starts the processes and watches them. It answers when no start can help
/// a process. Ctrl-C and SIGTERM end the wait as well. Then stops all processes; a second signal
/// kills them.
pub async fn run(
    output: &Output,
    running: &impl Stop,
    work: impl Future<Output = Result<String>>,
) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let ended = tokio::select! {
        ended = work => Some(ended),
        _ = signals.next() => None,
    };
    output.let_servers_speak(false);
    match &ended {
        Some(Ok(end)) => note(&format!("{end}\nstack: stopping the rest")),
        Some(Err(error)) => note(&format!("{error:#}\nstack: stopping everything")),
        None => note("stopping; Ctrl-C again kills at once"),
    }
    let killed = tokio::select! {
        () = running.stop() => None,
        status = signals.next() => { running.kill(); Some(status) }
    };
    output.finish();
    Ok(match (ended, killed) {
        (Some(_), _) => ExitCode::FAILURE,
        (None, Some(status)) => status,
        (None, None) => ExitCode::SUCCESS,
    })
}

/// Lines in a frame, for the addresses of a system.
pub fn framed(lines: &[String]) -> String {
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0);
    let rule = "─".repeat(width + 2);
    let body: Vec<String> = lines
        .iter()
        .map(|line| format!("│ {line:width$} │"))
        .collect();
    format!("╭{rule}╮\n{}\n╰{rule}╯\n", body.join("\n"))
}
