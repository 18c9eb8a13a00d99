//! One child process: started, watched, signalled, and never left behind.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::guard;
use crate::guard::Guard;
use crate::wait::{wait_for, wait_until};
use lines::Lines;

pub use lines::{LineSink, Reading};

mod lines;

/// How long the last output of an ended process may take to arrive.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// Everything needed to start a process, and to start it again.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What people call it, such as `inventory serve`.
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
    /// How the one before it ended.
    previous: Option<ExitStatus>,
}

impl Process {
    /// Starts it. `sink`, if given, gets each line that the process writes.
    pub fn start(launch: Launch, guard: Guard, sink: Option<LineSink>) -> Result<Self> {
        let process = Self::prepare(launch, guard, sink);
        process.restart()?;
        Ok(process)
    }

    /// Describes it without starting it; [`Process::restart`] does.
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

    /// What people call it.
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

    /// Whether it runs (or is stopped by [`Process::pause`]).
    pub fn is_running(&self) -> bool {
        let mut state = self.state();
        state.poll();
        state.child.is_some()
    }

    /// How it ended, if it was started and has ended.
    pub fn exit(&self) -> Option<ExitStatus> {
        let mut state = self.state();
        state.poll();
        state.exit
    }

    /// Kills it with SIGKILL, and whatever it started in its process group. Returns when it is
    /// gone.
    pub fn kill(&self) {
        self.state().kill();
    }

    /// Asks it to end with SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Stops it with SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits until it has ended. A restart at once does not hide the end.
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

    /// SIGTERM, then waits; kills it and fails if it has not ended by then.
    pub async fn stop(&self, limit: Duration) -> Result<ExitStatus> {
        self.terminate();
        let ended = self.wait(limit).await;
        if ended.is_err() {
            self.kill();
        }
        ended
    }

    /// Starts it again with the same command, killing it first if it still runs. Lines of earlier
    /// runs stay readable.
    pub fn restart(&self) -> Result<()> {
        let mut state = self.state();
        state.kill();
        self.spawn(&mut state)
    }

    /// Starts it again if it was started before and has ended; says whether it did.
    pub fn revive(&self) -> Result<bool> {
        let mut state = self.state();
        state.poll();
        let ended = state.exit.is_some();
        if ended {
            self.spawn(&mut state)?;
        }
        Ok(ended)
    }

    /// Says how what it writes is read from now on, over all its runs.
    pub fn set_reading(&self, reading: Reading) {
        self.lines.set_reading(reading);
    }

    /// The last `count` lines it wrote to stdout and stderr.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        self.lines.last(count)
    }

    /// Waits a moment for what an ended process wrote last.
    pub async fn drain_output(&self) {
        // Something it started may still hold the pipe; then the lines so far have to do.
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
            // It has not been waited for, so the id is still its own, even if it has just ended.
            let _ = kill(raw(state.pid), signal);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
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
            // Between the look and the signal it can only have ended by itself, and it stays a
            // zombie until the wait.
            let _ = killpg(raw(self.pid), Signal::SIGKILL);
            let _ = child.kill();
            self.exit = child.wait().ok();
        }
    }
}

/// A thread that panicked while holding the lock has not left anything half done that matters here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}
