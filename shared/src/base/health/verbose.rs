//! What `/readyz?verbose` adds: the state of every check, and figures for people.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Mutex;

use super::Readiness;

/// How long a figure is reused, so that many requests cost no more than one each second.
const STANDS_FOR: Duration = Duration::from_secs(1);

/// A figure for people. It has no effect on readiness.
pub struct Note {
    name: &'static str,
    look: Box<dyn Fn() -> FigureFuture + Send + Sync>,
}

/// A figure that is being looked for: its text, or why it is not known.
pub(crate) type FigureFuture = BoxFuture<'static, Result<String, String>>;
/// The notes of a process, and the figures of the last look with its time.
pub(super) type Notes = Arc<(Vec<Note>, Mutex<Option<(Instant, Vec<String>)>>)>;

impl Note {
    /// A figure that `look` finds.
    pub fn new(
        name: &'static str,
        look: impl Fn() -> FigureFuture + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            look: Box::new(look),
        }
    }
}

impl Readiness {
    /// Adds figures for people.
    #[must_use]
    pub fn with_notes(self, notes: Vec<Note>) -> Self {
        Self {
            notes: Arc::new((notes, Mutex::default())),
            ..self
        }
    }

    /// One line for each check, then the figures. `failures` are the lines of the checks that fail.
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
