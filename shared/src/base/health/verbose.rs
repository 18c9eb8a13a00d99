//! What `/readyz?verbose` tells beside whether the process is ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::Readiness;
use crate::consumer::Settings;
use crate::dead_letter::Dead;
use crate::event::Event;
use crate::own_store::{OwnStore, all};
use crate::redis::{Command, Redis, RedisError};

/// How long a figure stands, however often it is asked for.
const STANDS_FOR: Duration = Duration::from_secs(1);

/// A figure for people. The process is ready or not whatever it is.
pub struct Note {
    name: &'static str,
    look: Box<dyn Fn() -> Look + Send + Sync>,
}

type Look = BoxFuture<'static, Result<String, RedisError>>;
/// The notes of a process, and what they said last.
pub(super) type Notes = Arc<(Vec<Note>, Mutex<Option<(Instant, Vec<String>)>>)>;

impl Note {
    /// How many dead letters a store has.
    pub fn dead_letters(store: OwnStore) -> Self {
        let look = move || -> Look {
            let store = store.clone();
            Box::pin(async move {
                let dead = Dead::of(&store).await?;
                Ok(match dead.count {
                    0 => "0".to_owned(),
                    count => format!("{count}, the oldest for {}", dead.age()),
                })
            })
        };
        Self {
            name: "dead_letters",
            look: Box::new(look),
        }
    }

    /// How many entries of the streams of `E` the group was given and has not acknowledged, and how
    /// many it was not given yet.
    pub fn pending<E: Event>(store: &OwnStore, settings: &Settings) -> Self {
        let (redis, partitions) = (Redis::worker(&settings.stream_store), store.partitions());
        let look = move || -> Look {
            let redis = redis.clone();
            Box::pin(async move {
                let redis = &redis;
                let looks = partitions.all().map(|partition| async move {
                    backlog(redis, &partition.key(E::STREAM), E::GROUP).await
                });
                let (mut pending, mut waiting) = (0_u64, Some(0_u64));
                for found in all(looks).await {
                    let (more, lag) = found?;
                    pending = pending.saturating_add(more);
                    waiting = waiting.zip(lag).map(|(sum, lag)| sum.saturating_add(lag));
                }
                let waiting = waiting.map_or("unknown".to_owned(), |count| count.to_string());
                Ok(format!("{pending}, not read yet: {waiting}"))
            })
        };
        Self {
            name: "pending",
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
            format!(
                "{}: {}",
                note.name,
                found.unwrap_or_else(|error| error.to_string())
            )
        });
        let figures = all(looks).await;
        *last = Some((Instant::now(), figures.clone()));
        figures
    }
}

/// Entries that a group was given and has not acknowledged, and those it was not given yet, if
/// that can be told.
async fn backlog(
    redis: &Redis,
    stream: &str,
    group: &str,
) -> Result<(u64, Option<u64>), RedisError> {
    let groups = Command::new("XINFO").arg("GROUPS").key(stream);
    let groups = match redis.run(groups).await {
        Err(error) if error.is_refusal("ERR no such key") => return Ok((0, Some(0))),
        groups => groups?.list()?,
    };
    for info in groups {
        if info.clone().field("name")?.text()? == group {
            let pending = info.clone().field("pending")?.unsigned()?;
            return Ok((pending, info.field("lag")?.unsigned().ok()));
        }
    }
    Ok((0, None))
}
