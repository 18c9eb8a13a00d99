//! Readiness: whether the process can do its work, and the reasons if it cannot.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

mod verbose;

pub(crate) use crate::base::health::verbose::FigureFuture;
pub use crate::base::health::verbose::Note;

use futures_util::future::join_all;

use crate::base::health::verbose::Notes;
use crate::base::shutdown::Shutdown;

/// A consumer, or a background task, that made no progress for this long is not ready.
pub const STALLED_AFTER: Duration = Duration::from_secs(15);
/// The failure of a check whose dependency has not been opened yet.
pub(crate) const NOT_OPEN: &str = "not opened yet";
/// How long an answer about readiness is reused. Requests for it are not limited, and each fresh
/// answer sends commands to the stores.
const STANDS_FOR: Duration = Duration::from_millis(250);

/// One condition of readiness: its name, and the probe that tests it.
pub struct Check {
    name: &'static str,
    probe: Box<dyn Fn() -> Probe + Send + Sync>,
}

/// The failures that the last look found, and the time of that look.
type Last = Option<(Instant, Vec<String>)>;
/// A running test of one check. Its error says why the check fails.
pub(crate) type Probe = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Answers whether a process is ready.
#[derive(Clone)]
pub struct Readiness {
    checks: Arc<Vec<Check>>,
    notes: Notes,
    /// The last answer. A request that comes during the next look waits for its result.
    last: Arc<AsyncMutex<Last>>,
    shutdown: Shutdown,
}

/// When a loop last made progress, or why it does not.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    /// A loop that made no progress for this long has stalled.
    stalled_after: Duration,
    /// Milliseconds from `started` to the last progress; 0 before the first one, and after a halt.
    last_ms: Arc<AtomicU64>,
    /// Why the loop has stopped on purpose.
    halted: Arc<Mutex<Option<String>>>,
    /// When the last failed round ended, in milliseconds after `started`, and why it failed.
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

    /// The checks that fail, with their reasons. The answer may be 250 ms old.
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
        // The probes run at the same time, because each may have to wait for a store.
        let answers = join_all(self.checks.iter().map(|check| (check.probe)())).await;
        let answers = self.checks.iter().zip(answers);
        let failures = answers.filter_map(|(check, answer)| {
            answer.err().map(|error| format!("{}: {error}", check.name))
        });
        let mut failures: Vec<String> = failures.collect();
        // The partitions of a store tend to fail together, with the same text.
        failures.dedup();
        failures
    }
}

impl Check {
    /// A check that passes when `probe` does.
    pub fn new(name: &'static str, probe: impl Fn() -> Probe + Send + Sync + 'static) -> Self {
        Self {
            name,
            probe: Box::new(probe),
        }
    }

    /// Passes once a dependency has been opened.
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

    /// Passes while a loop makes progress.
    pub fn progress(name: &'static str, progress: Progress) -> Self {
        let probe = move || -> Probe {
            let stalled = progress.stalled();
            Box::pin(async move { stalled.map_or(Ok(()), Err) })
        };
        Self::new(name, probe)
    }
}

impl Progress {
    /// A loop that has not begun. It stalls after [`STALLED_AFTER`].
    pub fn new() -> Self {
        Self::stalled_after(STALLED_AFTER)
    }

    /// A loop that has not begun. It stalls when it makes no progress for `limit`.
    pub fn stalled_after(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            stalled_after: limit,
            last_ms: Arc::default(),
            halted: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// The loop made progress just now. The first progress after a halt ends the halt.
    pub fn mark(&self) {
        if self.last_ms.swap(self.elapsed_ms(), Ordering::Relaxed) == 0 {
            self.set_halted(None);
        }
    }

    /// The loop stops until its next [`mark`](Self::mark), for a reason that people have to know.
    pub fn halt(&self, reason: &str) {
        self.set_halted(Some(reason.to_owned()));
        self.last_ms.store(0, Ordering::Relaxed);
    }

    /// A round of the loop failed for this reason.
    pub fn failed(&self, reason: &dyn Display) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = (self.elapsed_ms(), reason.to_string());
    }

    /// Why the loop counts as stalled; `None` if it does not.
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
    /// Records that the dependency is open.
    pub fn set(&self) {
        self.0.cancel();
    }

    /// Whether the dependency is open.
    pub fn is_set(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the dependency is open, or until the process has to stop.
    pub async fn wait(&self, shutdown: &Shutdown) {
        tokio::select! {
            () = self.0.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    }
}
