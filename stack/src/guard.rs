//! Children that cannot outlive their parent, not even when it is killed with SIGKILL.
//!
//! A child is started as `stack exec-child SIGNAL PARENT COMMAND...`. That program asks the kernel
//! for a signal at the death of its parent and then becomes the command, keeping its process id.
//! Asking between fork and exec would need `unsafe`; asking after an exec does not. The kernel
//! watches the *thread* that started the child, so all children are started from one thread that
//! lives as long as the process.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::{io, thread};

use anyhow::{Context, Result};

/// What a child gets when its parent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// SIGTERM: it drains and ends by itself. For data that people keep.
    Term,
    /// SIGKILL: it is gone at once, even while it is stopped. For what a test throws away.
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
    /// The word for it on the command line of `exec-child`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Kill => "kill",
        }
    }
}

impl Guard {
    /// The command that becomes `program` and dies with this process. It leads its own process
    /// group, so that Ctrl-C in a terminal reaches this process only, which then stops its children
    /// in order.
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
                // The other side waits for the answer, so it can only be gone if its thread was.
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

/// Becomes `command` after asking for `farewell` at the death of `parent`. Returns only if that
/// fails.
pub fn exec(farewell: Farewell, parent: u32, command: &[OsString]) -> Result<Infallible> {
    ask(farewell)?;
    // If the parent died before this request, the kernel would never send the signal.
    anyhow::ensure!(
        std::os::unix::process::parent_id() == parent,
        "the parent {parent} is gone"
    );
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

/// Other systems have no such call: there a parent that is killed with SIGKILL leaves its children
/// behind.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn ask(_: Farewell) -> Result<()> {
    Ok(())
}
