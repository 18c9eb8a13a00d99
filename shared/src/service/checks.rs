//! The checks of `/readyz` about the stores of a process, and the notes of `/readyz?verbose`.
//!
//! A process has to write to its stores. So a check does not only read: it makes the store take a
//! change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use tokio::sync::Mutex;

use crate::base::health::{Check, FigureFuture, NOT_OPEN, Note, Opened, Probe};
use crate::contract::event::Event;
use crate::redis::{COMMAND_TIMEOUT, Code, Command, Redis, RedisError};
use crate::store::Store;
use crate::stream::consumer::Settings;
use crate::stream::dead_letter::Dead;
use crate::stream::group::Membership;

/// Time for which an answer is reused. Several monitors may probe a process, and each answer costs
/// a write to the store.
const STANDS_FOR: Duration = Duration::from_secs(1);
/// Longest wait for an answer. A health check waits for 2 s.
const PROBE_TIMEOUT: Duration = COMMAND_TIMEOUT.saturating_add(Duration::from_millis(500));

/// The last answer, and when it was found. Probes that arrive during a look wait for its answer.
type Last = Mutex<Option<(Instant, Result<(), String>)>>;

/// Checks that the service's own store was opened, has its identity, and takes changes.
pub fn own_store(store: Store, opened: Opened) -> Check {
    let last = Arc::new(Last::default());
    let probe = move || -> Probe {
        let (store, opened, last) = (store.clone(), opened.clone(), last.clone());
        Box::pin(async move {
            if !opened.is_set() {
                let reason = store.obstacle();
                return Err(reason.unwrap_or_else(|| NOT_OPEN.to_owned()));
            }
            let identity = async {
                match store.has_identity().await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err("it has lost its data".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            };
            let changes = recent(&last, || try_changes(&store));
            let (identity, changes) = join(identity, changes).await;
            identity.and(changes)
        })
    };
    Check::new("store", probe)
}

/// Checks that a store takes changes, for a service that keeps nothing but a stream in it.
pub(crate) fn takes_changes(store: Store) -> Check {
    let last = Arc::new(Last::default());
    let probe = move || -> Probe {
        let (store, last) = (store.clone(), last.clone());
        Box::pin(async move { recent(&last, || try_changes(&store)).await })
    };
    Check::new("store", probe)
}

/// Checks that the store with the stream takes changes: to read as a member of a consumer group
/// changes the store.
///
/// The check tries nothing before the own store is open. The attempt creates the group, and a group
/// proves that this service once had data. So a new own store would be taken for one that lost its
/// data.
pub(crate) fn stream_store(redis: Redis, membership: Membership, opened: Opened) -> Check {
    let last = Arc::new(Last::default());
    let probe = move || -> Probe {
        let (redis, membership, last) = (redis.clone(), membership.clone(), last.clone());
        let is_opened = opened.is_set();
        Box::pin(async move {
            if !is_opened {
                // Until then the check of the own store fails, and says why.
                return Ok(());
            }
            let Membership { stream, group, .. } = membership;
            recent(&last, || redis.try_membership(&stream, group)).await
        })
    };
    Check::new("stream", probe)
}

/// Notes the number of dead letters in a store, and the age of the oldest.
pub(crate) fn dead_letters(store: Store) -> Note {
    let look = move || -> FigureFuture {
        let store = store.clone();
        Box::pin(async move {
            let dead = Dead::of(&store).await.map_err(|error| error.to_string())?;
            Ok(match dead.count {
                0 => "0".to_owned(),
                count => format!("{count}, the oldest for {}", dead.age()),
            })
        })
    };
    Note::new("dead_letters", look)
}

/// Notes how many entries of the streams of `E` are pending in the group, and how many the group
/// has not read yet.
pub(crate) fn pending<E: Event>(store: &Store, settings: &Settings) -> Note {
    let (redis, partitions) = (Redis::worker(&settings.stream_store), store.partitions());
    let look = move || -> FigureFuture {
        let redis = redis.clone();
        Box::pin(async move {
            let redis = &redis;
            let looks = partitions.all().map(|partition| async move {
                backlog(redis, &partition.key(E::STREAM), E::GROUP).await
            });
            let (mut pending, mut waiting) = (0_u64, Some(0_u64));
            for found in join_all(looks).await {
                let (more, lag) = found.map_err(|error| error.to_string())?;
                pending = pending.saturating_add(more);
                waiting = waiting.zip(lag).map(|(sum, lag)| sum.saturating_add(lag));
            }
            let waiting = waiting.map_or("unknown".to_owned(), |count| count.to_string());
            Ok(format!("{pending}, not read yet: {waiting}"))
        })
    };
    Note::new("pending", look)
}

async fn try_changes(store: &Store) -> Result<(), String> {
    let changes = join_all(
        store
            .partitions()
            .all()
            .map(|partition| store.try_change(partition)),
    );
    changes.await.into_iter().collect()
}

async fn recent<F>(last: &Last, look: impl FnOnce() -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), String>>,
{
    let mut last = last.lock().await;
    if let Some((at, answer)) = &*last
        && at.elapsed() < STANDS_FOR
    {
        return answer.clone();
    }
    let answer = tokio::time::timeout(PROBE_TIMEOUT, look()).await;
    let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    *last = Some((Instant::now(), answer.clone()));
    answer
}

/// Number of pending entries of a group, and of entries that it has not read yet. The second number
/// is `None` if Redis does not know it.
async fn backlog(
    redis: &Redis,
    stream: &str,
    group: &str,
) -> Result<(u64, Option<u64>), RedisError> {
    let groups = Command::new("XINFO").arg("GROUPS").key(stream);
    let groups = match redis.run(groups).await {
        Err(error) if error.is(Code::NoSuchKey) => return Ok((0, Some(0))),
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
