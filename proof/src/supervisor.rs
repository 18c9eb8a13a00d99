//! Starts processes again that have ended, as a service manager does.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Members;

/// Between the end of a process and its next start, however it ended: a service manager's pause,
/// made short for tests.
pub const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Watches the service processes of a system. The stores are left to whoever broke them.
pub(super) struct Supervisor {
    task: JoinHandle<()>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    restarts: AtomicU64,
    /// Held while a process is started, so that none is started behind the back of the end.
    stopped: Mutex<bool>,
}

impl Supervisor {
    pub(super) fn start(members: Members) -> Self {
        let state = Arc::new(State::default());
        let task = tokio::spawn(watch(members, state.clone()));
        Self { task, state }
    }

    /// How many processes were started again.
    pub(super) fn restarts(&self) -> u64 {
        self.state.restarts.load(Relaxed)
    }

    /// Nothing is started any more from now on.
    pub(super) fn stop(&self) {
        *self
            .state
            .stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
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
            let stopped = state.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            // One that could not be started is tried again at the next look.
            if !*stopped && process.revive().unwrap_or(false) {
                state.restarts.fetch_add(1, Relaxed);
                ended.remove(process.name());
            }
        }
    }
}
