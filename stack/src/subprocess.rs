//! Runs a short-lived helper program to its end, with a time limit.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The pause between two looks at a running helper.
const POLL: Duration = Duration::from_millis(5);

/// The longest wait for the last output after the helper has ended. A child of the helper may hold
/// the pipe longer, and is not waited for.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// How a helper ended, and what it wrote.
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs `command` and collects its output. Fails when it cannot be started or runs longer than
/// `limit`, in which case it is killed.
pub fn run(command: &mut Command, limit: Duration) -> Result<Output> {
    run_with_stderr(command, limit, Stdio::piped())
}

/// Like [`run`], with a choice where standard error goes.
pub(crate) fn run_with_stderr(
    command: &mut Command,
    limit: Duration,
    stderr: Stdio,
) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());

    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            // The kill fails only if the child has just ended. The wait then returns at once too.
            let _ = child.kill();
            let _ = child.wait();
            bail!("`{name}` did not end within {} s", limit.as_secs());
        }
        thread::sleep(POLL);
    };
    let text =
        |receiver: mpsc::Receiver<String>| receiver.recv_timeout(OUTPUT_GRACE).unwrap_or_default();
    Ok(Output {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Reads a pipe to its end on a separate thread, so that a full pipe never stops the helper.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // If reading fails half-way, the bytes that were read before are kept.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // The receiver is gone if the helper exceeded its limit.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
