//! What `/readyz?verbose` tells beside whether the process is ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Mutex;

use super::Readiness;

/// How long a figure stands, however often it is asked for.
const STANDS_FOR: Duration = Duration::from_secs(1);

/// A figure for people. The process is ready or not whatever it is.
pub struct Note {
    name: &'static str,
    look: Box<dyn Fn() -> Look + Send + Sync>,
}

/// What a figure is, or why it cannot be told.
pub(crate) type Look = BoxFuture<'static, Result<String, String>>;
/// The notes of a process, and what they said last.
pub(super) type Notes = Arc<(Vec<Note>, Mutex<Option<(Instant, Vec<String>)>>)>;

impl Note {
    /// A figure that is found by `look`.
    pub fn new(name: &'static str, look: impl Fn() -> Look + Send + Sync + 'static) -> Self {
        Self {
            name,
            look: Box::new(look),
        }
    }
}

impl Readiness {
    /// The same, with figures for people beside it.
    #[must_use]
    pub fn with_notes(self, notes: Vec<Note>) -> Self {
        Self {
            notes: Arc::new((notes, Mutex::default())),
            ..self
        }
    }

    /// Each check with its state, given those that fail, and the figures.
    pub async fn verbose(&self, failures: &[String]) -> Vec<String> {
        let fails = |name: &str| {
            let of = |failure: &String| failure.split_once(": ").is_some_and(|(of, _)| of == name);
            failures.iter().any(of)
        };
        let mut names: Vec<&str> = self.checks.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !fails(name));
        let good = names.into_iter().map(|name| format!("{name}: ok"));
        failures
            .iter()
            .cloned()
            .chain(good)
            .chain(self.figures().await)
            .collect()
    }

    async fn figures(&self) -> Vec<String> {
        let (notes, last) = &*self.notes;
        let mut last = last.lock().await;
        if let Some((at, figures)) = &*last
            && at.elapsed() < STANDS_FOR
        {
            return figures.clone();
        }
        let looks = notes.iter().map(|note| async move {
            let found = (note.look)().await;
            format!("{}: {}", note.name, found.unwrap_or_else(|error| error))
        });
        let figures = join_all(looks).await;
        *last = Some((Instant::now(), figures.clone()));
        figures
    }
}
