//! Starts ended processes again, as a service manager does.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use stack::system::Members;

/// The pause between the end of a process and its next start. It is that of a service manager, made
/// short for tests.
pub const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// The pause between two looks at the processes.
const POLL: Duration = Duration::from_millis(20);

/// Watches the service processes of a system until it is dropped. A test that kills a store has to
/// start the store again. Drop the supervisor before the system: otherwise it could start a process
/// after the end of the system.
pub struct Supervisor {
    task: JoinHandle<()>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    restarts: AtomicU64,
    /// Held while a process is started, so that no process starts after the supervisor has stopped.
    stopped: Mutex<bool>,
}

impl Supervisor {
    /// Begins to start ended service processes again, each after [`RESTART_PAUSE`].
    pub fn start(members: Members) -> Self {
        let state = Arc::new(State::default());
        let task = tokio::spawn(watch(members, state.clone()));
        Self { task, state }
    }

    /// The number of restarts so far.
    pub fn restarts(&self) -> u64 {
        self.state.restarts.load(Relaxed)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let mut stopped = stack::locked(&self.state.stopped);
        *stopped = true;
        self.task.abort();
    }
}

async fn watch(members: Members, state: Arc<State>) {
    let mut ended: HashMap<String, Instant> = HashMap::new();
    loop {
        sleep(POLL).await;
        for process in members.processes() {
            if process.exit().is_none() {
                ended.remove(process.name());
                continue;
            }
            let since = *ended
                .entry(process.name().to_owned())
                .or_insert_with(Instant::now);
            if since.elapsed() < RESTART_PAUSE {
                continue;
            }
            let stopped = stack::locked(&state.stopped);
            // A process that could not be started is tried again at the next look.
            if !*stopped && process.revive().unwrap_or(false) {
                state.restarts.fetch_add(1, Relaxed);
                ended.remove(process.name());
            }
        }
    }
}
