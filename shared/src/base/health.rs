//! Liveness and readiness.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

mod verbose;

pub(crate) use crate::base::health::verbose::Look;
pub use crate::base::health::verbose::Note;

use futures_util::future::join_all;

use crate::base::health::verbose::Notes;
use crate::base::shutdown::Shutdown;

/// A consumer, or a background task, that got nowhere for this long is not ready.
pub const STALLED_AFTER: Duration = Duration::from_secs(15);
/// Why a process is not ready that has not opened a dependency yet.
pub(crate) const NOT_OPEN: &str = "not opened yet";
/// How long an answer about readiness stands. Anybody may ask, outside every limit, and an answer
/// costs questions to the stores.
const STANDS_FOR: Duration = Duration::from_millis(250);

/// One thing that must hold for a process to be ready: its name, and how to find out.
pub struct Check {
    name: &'static str,
    probe: Box<dyn Fn() -> Probe + Send + Sync>,
}

/// What failed, and when that was found out.
type Last = Option<(Instant, Vec<String>)>;
/// Why a check fails, found out.
pub(crate) type Probe = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Answers whether a process is ready.
#[derive(Clone)]
pub struct Readiness {
    checks: Arc<Vec<Check>>,
    notes: Notes,
    /// The last answer. Requests that come while the next one is looked for wait for it.
    last: Arc<AsyncMutex<Last>>,
    shutdown: Shutdown,
}

/// When a loop last got somewhere.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    /// A loop that got nowhere for this long has stalled.
    stalled_after: Duration,
    /// Milliseconds after `started`; 0 before the first time.
    last_ms: Arc<AtomicU64>,
    /// Why it does nothing, on purpose.
    halted: Arc<Mutex<Option<String>>>,
    /// Why the last round failed, and when, as in `last_ms`.
    failed: Arc<Mutex<(u64, String)>>,
}

/// Set once, when a dependency of the process has been opened.
#[derive(Clone, Debug, Default)]
pub struct Opened(CancellationToken);

impl Readiness {
    /// Ready while every check passes and the process is not stopping.
    pub fn new(checks: Vec<Check>, shutdown: Shutdown) -> Self {
        Self {
            checks: Arc::new(checks),
            notes: Notes::default(),
            last: Arc::default(),
            shutdown,
        }
    }

    /// What fails, if anything, now or a moment ago.
    pub async fn failures(&self) -> Vec<String> {
        if self.shutdown.is_cancelled() {
            return vec!["stopping".to_owned()];
        }
        let mut last = self.last.lock().await;
        if let Some((at, failures)) = &*last
            && at.elapsed() < STANDS_FOR
        {
            return failures.clone();
        }
        let failures = self.look().await;
        *last = Some((Instant::now(), failures.clone()));
        failures
    }

    async fn look(&self) -> Vec<String> {
        // All at the same time: each may have to wait for a store.
        let answers = join_all(self.checks.iter().map(|check| (check.probe)())).await;
        let answers = self.checks.iter().zip(answers);
        let failures = answers.filter_map(|(check, answer)| {
            answer.err().map(|error| format!("{}: {error}", check.name))
        });
        let mut failures: Vec<String> = failures.collect();
        // Partitions tend to fail together.
        failures.dedup();
        failures
    }
}

impl Check {
    /// A check that is told by `probe`.
    pub fn new(name: &'static str, probe: impl Fn() -> Probe + Send + Sync + 'static) -> Self {
        Self {
            name,
            probe: Box::new(probe),
        }
    }

    /// A dependency has been opened.
    pub fn opened(name: &'static str, opened: Opened) -> Self {
        let probe = move || -> Probe {
            let is_open = opened.is_set();
            Box::pin(async move {
                if is_open {
                    Ok(())
                } else {
                    Err(NOT_OPEN.to_owned())
                }
            })
        };
        Self::new(name, probe)
    }

    /// A loop gets on with its work.
    pub fn progress(name: &'static str, progress: Progress) -> Self {
        let probe = move || -> Probe {
            let stalled = progress.stalled();
            Box::pin(async move { stalled.map_or(Ok(()), Err) })
        };
        Self::new(name, probe)
    }
}

impl Progress {
    /// Not begun.
    pub fn new() -> Self {
        Self::stalled_after(STALLED_AFTER)
    }

    /// Not begun, and stalled when it gets nowhere for `limit`.
    pub fn stalled_after(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            stalled_after: limit,
            last_ms: Arc::default(),
            halted: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// Got somewhere, just now.
    pub fn mark(&self) {
        if self.last_ms.swap(self.elapsed_ms(), Ordering::Relaxed) == 0 {
            self.set_halted(None);
        }
    }

    /// Does nothing more until it gets somewhere again, for a reason that people have to know.
    pub fn halt(&self, reason: &str) {
        self.set_halted(Some(reason.to_owned()));
        self.last_ms.store(0, Ordering::Relaxed);
    }

    /// Got nowhere this time, for this reason.
    pub fn failed(&self, reason: &dyn Display) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = (self.elapsed_ms(), reason.to_string());
    }

    /// Why it counts as stalled, if it does.
    fn stalled(&self) -> Option<String> {
        if let Some(reason) = self.halted() {
            return Some(reason);
        }
        let (failed_ms, reason) = self
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let why = |text: String| {
            if reason.is_empty() {
                text
            } else {
                format!("{text}: {reason}")
            }
        };
        match self.idle() {
            None => Some(why("has not begun".to_owned())),
            Some(idle) if idle <= self.stalled_after => None,
            Some(idle) => {
                let text = format!("no progress for {} s", idle.as_secs());
                let is_recent = failed_ms >= self.last_ms.load(Ordering::Relaxed);
                Some(if is_recent { why(text) } else { text })
            }
        }
    }

    fn halted(&self) -> Option<String> {
        self.halted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_halted(&self, reason: Option<String>) {
        *self.halted.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn idle(&self) -> Option<Duration> {
        match self.last_ms.load(Ordering::Relaxed) {
            0 => None,
            last_ms => Some(Duration::from_millis(
                self.elapsed_ms().saturating_sub(last_ms),
            )),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Opened {
    /// The dependency is open.
    pub fn set(&self) {
        self.0.cancel();
    }

    /// Whether the dependency is open.
    pub fn is_set(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the dependency is open, or the process is to stop.
    pub async fn wait(&self, shutdown: &Shutdown) {
        tokio::select! {
            () = self.0.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    }
}
