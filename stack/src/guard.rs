//! Children that cannot outlive their parent, not even when it is killed with SIGKILL.
//!
//! A child is started as `stack exec-child SIGNAL PARENT COMMAND...`. That program asks the kernel
//! for a signal at the death of its parent, and then becomes the command with the same process id.
//! Asking between fork and exec would need `unsafe`; asking after an exec does not. The kernel
//! watches the *thread* that started the child. So one thread starts all children, and it lives as
//! long as the process.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::{io, thread};

use anyhow::{Context, Result};

/// The signal that a child gets when its parent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// SIGTERM: the child drains and ends by itself. For a system whose data people keep.
    Term,
    /// SIGKILL: the child ends at once, even while it is stopped. For a test, which keeps no data.
    Kill,
}

/// How children are started.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The `stack` binary.
    pub stack: PathBuf,
    /// The signal at the parent's death.
    pub farewell: Farewell,
}

impl Farewell {
    /// The word for the signal on the command line of `exec-child`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Kill => "kill",
        }
    }
}

impl Guard {
    /// A command that becomes `program` and dies with this process. The child leads its own process
    /// group, so Ctrl-C in a terminal reaches only this process. This process then stops its
    /// children in order.
    pub fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new(&self.stack);
        command
            .arg("exec-child")
            .args([self.farewell.word(), &std::process::id().to_string()])
            .arg(program)
            .process_group(0);
        command
    }
}

/// Starts `command` from the thread that never ends.
pub fn spawn(command: Command) -> io::Result<Child> {
    type Job = (Command, Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in jobs {
                // The caller waits for the answer. Sending fails only if the caller's thread ended.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let gone = || io::Error::other("the thread that starts children is gone");
    let (answer, child) = channel();
    spawner
        .lock()
        .map_err(|_| gone())?
        .send((command, answer))
        .map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// Asks for the signal `farewell` at the death of `parent`, and becomes `command`. Returns only if
/// that fails.
pub fn exec(farewell: Farewell, parent: u32, command: &[OsString]) -> Result<Infallible> {
    ask(farewell)?;
    // If the parent died before this request, the kernel would never send the signal.
    anyhow::ensure!(
        std::os::unix::process::parent_id() == parent,
        "the parent {parent} is gone"
    );
    become_command(command)
}

/// Becomes `command`. Returns only if that fails.
pub(crate) fn become_command(command: &[OsString]) -> Result<Infallible> {
    let (program, args) = command.split_first().context("no command")?;
    let error = Command::new(program).args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

#[cfg(target_os = "linux")]
fn ask(farewell: Farewell) -> Result<()> {
    use nix::sys::{prctl, signal::Signal};
    let signal = match farewell {
        Farewell::Term => Signal::SIGTERM,
        Farewell::Kill => Signal::SIGKILL,
    };
    prctl::set_pdeathsig(signal).context("cannot ask for a signal at the parent's death")
}

/// Other systems have no such call. There, a parent that is killed with SIGKILL leaves its children
/// running.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn ask(_: Farewell) -> Result<()> {
    Ok(())
}
