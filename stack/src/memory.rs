//! Limits the memory of processes as a container does, and measures their peak.
//!
//! Control groups are not available everywhere. So a process is started as `stack exec-limited
//! BYTES COMMAND...`. That program limits its own data segment and becomes the command. An
//! allocation beyond the limit fails and ends the process, as it would in a container.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, setrlimit};

use crate::guard::become_command;
use crate::process::{Launch, Process};

/// The memory limit of a service process in bytes: `mem_limit` of the services in `compose.yaml`.
pub const SERVICE_LIMIT: u64 = 256 * 1024 * 1024;

/// Tells the allocator of the services to take memory only when it needs it. Otherwise it would
/// reserve 1 GiB at once without using it, and the kernel would count all of it.
const TAKE_WHEN_NEEDED: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// Starts the same process with at most [`SERVICE_LIMIT`] of memory. `stack` is this program.
pub fn limited(mut launch: Launch, stack: &Path) -> Launch {
    let program = std::mem::replace(&mut launch.program, stack.to_path_buf());
    let before = [
        "exec-limited".into(),
        SERVICE_LIMIT.to_string().into(),
        program.into(),
    ];
    launch.args.splice(..0, before);
    let (name, value) = TAKE_WHEN_NEEDED;
    launch.env.push((name.to_owned(), value.to_owned()));
    launch
}

/// Limits the data of this process to `bytes`, and becomes `command`. Returns only if that fails.
pub fn exec(bytes: u64, command: &[OsString]) -> Result<Infallible> {
    setrlimit(Resource::RLIMIT_DATA, bytes, bytes).context("cannot limit the memory")?;
    become_command(command)
}

/// The peak memory of a running process in bytes. The kernel records it (`VmHWM`), so no peak is
/// missed.
pub fn peak(process: &Process) -> Result<u64> {
    let path = format!("/proc/{}/status", process.pid());
    let status = fs::read_to_string(&path)
        .with_context(|| format!("`{}` does not run: {path}", process.name()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmHWM")?;
    Ok(kib.parse::<u64>()? * 1024)
}
