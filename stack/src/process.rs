//! Starts, watches and signals one child process, and never leaves it behind.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::guard;
use crate::guard::Guard;
use crate::locked;
use crate::wait::{wait_for, wait_until};
use lines::Lines;

pub use lines::{LineSink, Reading};

mod lines;

/// The longest wait for the last output of an ended process.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// Everything needed to start a process, and to start it again.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The name for people, such as `inventory serve`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to the environment of this process.
    pub env: Vec<(String, String)>,
    /// Variables taken out of it, before `env` is added.
    pub env_remove: Vec<String>,
}

/// A running (or ended) child process. All methods take `&self`; it is killed when dropped.
pub struct Process {
    launch: Launch,
    guard: Guard,
    lines: Arc<Lines>,
    state: Mutex<State>,
}

struct State {
    child: Option<Child>,
    pid: u32,
    exit: Option<ExitStatus>,
    /// The exit status of the run before the present one.
    previous: Option<ExitStatus>,
}

impl Process {
    /// Starts a process. `sink`, if given, gets each line that the process writes.
    pub fn start(launch: Launch, guard: Guard, sink: Option<LineSink>) -> Result<Self> {
        let process = Self::prepare(launch, guard, sink);
        process.restart()?;
        Ok(process)
    }

    /// Prepares a process without starting it; [`Process::restart`] starts it.
    pub fn prepare(launch: Launch, guard: Guard, sink: Option<LineSink>) -> Self {
        let state = Mutex::new(State {
            child: None,
            pid: 0,
            exit: None,
            previous: None,
        });
        Self {
            launch,
            guard,
            lines: Arc::new(Lines::new(sink)),
            state,
        }
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// How it is started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// The id of the running process, or of the last one. 0 if it was never started.
    pub fn pid(&self) -> u32 {
        self.state().pid
    }

    /// Whether it runs. A process that [`Process::pause`] stopped counts as running.
    pub fn is_running(&self) -> bool {
        let mut state = self.state();
        state.poll();
        state.child.is_some()
    }

    /// The exit status, if the process was started and has ended.
    pub fn exit(&self) -> Option<ExitStatus> {
        let mut state = self.state();
        state.poll();
        state.exit
    }

    /// Kills the process and all others in its process group with SIGKILL. Returns when the process
    /// is gone.
    pub fn kill(&self) {
        self.state().kill();
    }

    /// Asks it to end with SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Freezes the process with SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets the process go on after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits until the present run has ended. An immediate restart does not hide the end.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let pid = self.pid();
        ensure!(pid != 0, "`{}` was never started", self.name());
        let ended = || {
            let mut state = self.state();
            state.poll();
            if state.pid == pid {
                state.exit
            } else {
                state.previous
            }
        };
        wait_for(&format!("the end of `{}`", self.name()), limit, || async {
            ended()
        })
        .await
    }

    /// Sends SIGTERM and waits for the end. If the process has not ended within `limit`, kills it
    /// and fails.
    pub async fn stop(&self, limit: Duration) -> Result<ExitStatus> {
        self.terminate();
        let ended = self.wait(limit).await;
        if ended.is_err() {
            self.kill();
        }
        ended
    }

    /// Starts the process again with the same command. If it still runs, it is killed first. The
    /// lines of earlier runs are kept.
    pub fn restart(&self) -> Result<()> {
        let mut state = self.state();
        state.kill();
        self.spawn(&mut state)
    }

    /// Starts the process again if it was started before and has ended. Answers whether it was
    /// started.
    pub fn revive(&self) -> Result<bool> {
        let mut state = self.state();
        state.poll();
        let ended = state.exit.is_some();
        if ended {
            self.spawn(&mut state)?;
        }
        Ok(ended)
    }

    /// Sets how the output of the process is read from now on, over all its runs.
    pub fn set_reading(&self, reading: Reading) {
        self.lines.set_reading(reading);
    }

    /// The last `count` lines it wrote to stdout and stderr.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        self.lines.last(count)
    }

    /// Waits a moment for the last output of an ended process.
    pub async fn drain_output(&self) {
        // A process that it started may still hold the pipe. Then the lines so far have to do.
        let _ = wait_until("its last lines", OUTPUT_GRACE, || async {
            self.lines.are_complete()
        })
        .await;
    }

    fn spawn(&self, state: &mut State) -> Result<()> {
        let mut command = self.guard.command(&self.launch.program);
        command
            .args(&self.launch.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in &self.launch.env_remove {
            command.env_remove(name);
        }
        command.envs(self.launch.env.iter().map(|(name, value)| (name, value)));
        let mut child =
            guard::spawn(command).with_context(|| format!("cannot start `{}`", self.name()))?;
        self.lines.read(child.stdout.take());
        self.lines.read(child.stderr.take());
        let previous = state.exit;
        *state = State {
            pid: child.id(),
            child: Some(child),
            exit: None,
            previous,
        };
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let mut state = self.state();
        state.poll();
        if state.child.is_some() {
            // The process was not waited for yet, so the id is still its own, even if it has ended.
            let _ = kill(raw(state.pid), signal);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl State {
    fn poll(&mut self) {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.exit = Some(status);
            self.child = None;
        }
    }

    fn kill(&mut self) {
        self.poll();
        if let Some(mut child) = self.child.take() {
            // The process may have ended since the check. It stays a zombie until the wait below,
            // so its id cannot belong to another process.
            let _ = killpg(raw(self.pid), Signal::SIGKILL);
            let _ = child.kill();
            self.exit = child.wait().ok();
        }
    }
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}
