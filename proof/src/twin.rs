//! Twins: the rule of a Redis Function, written again in Rust, and played on the same random
//! histories as the function.
//!
//! The rule in Rust is a [`Twin`]. It draws the next call, says what the function has to answer,
//! and says at the end what the whole store has to hold. Three things are compared: each answer,
//! the hash or line of a step right after the step, and every key after each history. A history
//! has from 1 to 60 steps, so whole stores are compared at every age.
//!
//! `TWIN_OPERATIONS` is the number of calls, and `TWIN_SEED` plays one history again.

use std::io::Write;
use std::time::Instant;

pub use fastrand::Rng;
use futures_util::future::join_all;
use shared::redis::{Command, RedisError, Reply};
use shared::store::Store;
use shared::store::function::IDENTITY;
use shared::store::partition::Partition;
use stack::private_store::PrivateStore;
use stack::project::variable;

use crate::invocation::Invocation;
use pattern::{Instants, Matcher};
use snapshot::{Kept, Snapshot, read_all};

pub mod claim;
pub mod pattern;
pub mod snapshot;

/// The number of calls of a run without `TWIN_OPERATIONS`.
const OPERATIONS: usize = 30_000;
/// The largest number of steps of a history.
const MAX_STEPS: usize = 60;
/// The partition of the histories whose keys carry a partition tag.
const TAGGED: u16 = 3;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The rules of the functions of a service, in Rust.
pub trait Twin {
    /// The store at the beginning of a history. Its hashes are written before the first step.
    fn begin(beginning: Beginning, random: &mut Rng) -> Self;
    /// Draws the next step and applies it to the twin.
    fn step(&mut self, number: usize, random: &mut Rng) -> Step;
    /// What the store holds now.
    fn expected(&self) -> Snapshot;
}

/// Where and when a history begins.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// The partition of all keys of the history.
    pub partition: Partition,
    /// The clock of the store, in milliseconds since the epoch.
    pub now_ms: u64,
    /// The same in days since the epoch.
    pub day: u64,
}

/// One call, with its expected answer and effect.
#[derive(Debug)]
pub struct Step {
    /// The call.
    pub call: Invocation,
    /// The expected answer.
    pub answer: Answer,
    /// The key of a hash or a line that the call was about, and its expected content afterwards.
    pub left: Option<(String, Kept)>,
}

/// An expected answer. Its texts may have placeholders (see [`pattern`]).
#[derive(Clone, Debug)]
pub enum Answer {
    /// A whole number.
    Number(i64),
    /// A text, or a number that the twin cannot know beforehand.
    Text(String),
    /// A list.
    List(Vec<Answer>),
    /// An error with this text.
    Refused(&'static str),
}

/// The first difference between a function and its twin.
struct Mismatch {
    seed: u64,
    step: String,
    error: String,
}

enum Sent<'a> {
    Call(&'a Invocation),
    Read(&'a str, &'a Kept),
}

/// Plays random histories on a private store until enough calls were made.
///
/// # Panics
///
/// When a function differs from its twin. The text names the seed that plays the history again.
pub async fn play<T: Twin>(suite: &str, private: &PrivateStore, store: &Store) {
    // This test is not about the disk, so the store does not wait for it.
    private.operate("CONFIG", "SET appendonly no").await;
    for index in [None, Some(TAGGED)] {
        store
            .load_functions(Partition::at(index))
            .await
            .expect("functions are loaded");
    }
    let number = |name| variable(name).map(|text| text.to_str()?.parse::<u64>().ok());
    let wanted = number("TWIN_OPERATIONS").map_or(OPERATIONS, |number| {
        usize::try_from(number.expect("TWIN_OPERATIONS is a number")).unwrap_or(usize::MAX)
    });
    let one = number("TWIN_SEED").map(|seed| seed.expect("TWIN_SEED is a number"));
    let started = Instant::now();
    let (mut operations, mut histories) = (0, 0);
    while operations < wanted {
        let seed = one.unwrap_or_else(|| fastrand::u64(..));
        match play_history::<T>(private, store, seed, MAX_STEPS).await {
            Ok(steps) => operations += steps,
            Err(mismatch) => panic!("{}", shortest::<T>(private, store, mismatch).await),
        }
        histories += 1;
        if one.is_some() {
            break;
        }
    }
    let took = started.elapsed();
    // Written past the test harness, which captures `print!`: a run has to show what it did.
    let _ = writeln!(
        std::io::stderr(),
        "{suite}: {operations} calls in {histories} histories did what their twin says ({took:.1?})"
    );
}

/// Plays the same history with fewer steps, and reports the shortest one that differs.
async fn shortest<T: Twin>(private: &PrivateStore, store: &Store, found: Mismatch) -> String {
    let mut worst = found;
    for steps in 1..=MAX_STEPS {
        if let Err(mismatch) = play_history::<T>(private, store, worst.seed, steps).await {
            worst = mismatch;
            break;
        }
    }
    format!(
        "{}\n{}\nTWIN_SEED={} plays it again",
        worst.error, worst.step, worst.seed
    )
}

/// Plays one history and answers how many calls it made.
async fn play_history<T: Twin>(
    private: &PrivateStore,
    store: &Store,
    seed: u64,
    limit: usize,
) -> Result<usize, Mismatch> {
    let mut random = Rng::with_seed(seed);
    let partition = Partition::at(random.bool().then_some(TAGGED));
    let identity = store.identity_text("x");
    private.operate("FLUSHALL", "").await;
    private.set(&partition.key(IDENTITY), &identity).await;
    let now_ms = now(store, partition).await;
    let mut twin = T::begin(
        Beginning {
            partition,
            now_ms,
            day: now_ms / DAY_MS,
        },
        &mut random,
    );
    fill(private, twin.expected()).await;
    let length = random.usize(1..=MAX_STEPS).min(limit);
    let steps: Vec<Step> = (0..length)
        .map(|number| twin.step(number, &mut random))
        .collect();

    let sent = steps.iter().flat_map(|step| {
        let read = step.left.iter().map(|(key, kept)| Sent::Read(key, kept));
        std::iter::once(Sent::Call(&step.call)).chain(read)
    });
    let mut replies = join_all(sent.map(|sent| send(store, partition, sent)))
        .await
        .into_iter();
    let found = read_all(&private.operator).await;
    let end_ms = now(store, partition).await;
    if end_ms / DAY_MS != now_ms / DAY_MS {
        // A history that was played around midnight has claims of two days, and is not compared.
        return Ok(0);
    }

    let mut instants = Instants::default();
    let mut matcher = Matcher::new(&mut instants, &found);
    for (number, step) in steps.iter().enumerate() {
        let mut reply = || replies.next().expect("each question has its reply");
        let answered = answer(&mut matcher, &step.answer, &reply());
        let left = step.left.as_ref().map_or(Ok(()), |(key, expected)| {
            let there = reply().and_then(|reply| kept(expected, reply));
            let there = there.map_err(|error| error.to_string())?;
            matcher
                .kept(expected, &there)
                .map_err(|error| format!("{key}: {error}"))
        });
        answered.and(left).map_err(|error| Mismatch {
            seed,
            step: format!("step {number}: {step:?}"),
            error,
        })?;
    }
    let last = format!("after {length} steps, the last of them {:?}", steps.last());
    let mut expected = twin.expected();
    expected.insert(partition.key(IDENTITY), Kept::Text(identity));
    let whole = matcher
        .store(&expected)
        .and_then(|()| instants.check(now_ms, end_ms));
    whole.map_err(|error| Mismatch {
        seed,
        step: last,
        error,
    })?;
    Ok(length)
}

/// Writes the hashes with which a history begins.
async fn fill(private: &PrivateStore, beginning: Snapshot) {
    for (key, kept) in beginning {
        if let Kept::Hash(fields) = kept
            && !fields.is_empty()
        {
            let words = fields.into_iter().flat_map(|(name, value)| [name, value]);
            private.ask(Command::new("HSET").key(key).args(words)).await;
        }
    }
}

/// The time of the store in milliseconds.
async fn now(store: &Store, partition: Partition) -> u64 {
    let now = store.now(partition).await;
    now.expect("the store has a clock").as_millis()
}

/// Sends one request. All requests share a connection, which keeps their order.
async fn send(store: &Store, partition: Partition, sent: Sent<'_>) -> Result<Reply, RedisError> {
    match sent {
        Sent::Call(call) => store.call(partition, &call.call()).await,
        Sent::Read(key, Kept::Text(_)) => store.run(Command::new("GET").key(key)).await,
        Sent::Read(key, _) => store.run(Command::new("HGETALL").key(key)).await,
    }
}

/// The content of a key, parsed as the kind of content that the twin expects there.
fn kept(expected: &Kept, reply: Reply) -> Result<Kept, RedisError> {
    if matches!(expected, Kept::Text(_)) {
        return Ok(Kept::Text(reply.text()?));
    }
    let fields = reply
        .map()?
        .into_iter()
        .map(|(name, value)| Ok((name, value.text()?)));
    Ok(Kept::hash(fields.collect::<Result<Vec<_>, RedisError>>()?))
}

fn answer(
    matcher: &mut Matcher<'_>,
    expected: &Answer,
    reply: &Result<Reply, RedisError>,
) -> Result<(), String> {
    let differs = || format!("expected {expected:?}, got {reply:?}");
    match (expected, reply) {
        (Answer::Refused(word), Err(error)) if error.to_string().contains(word) => Ok(()),
        (Answer::Number(number), Ok(reply)) if reply.int().as_ref() == Ok(number) => Ok(()),
        (Answer::Text(text), Ok(reply)) => {
            let found = reply.clone().text().map_err(|_| differs())?;
            matcher.text(text, &found)
        }
        (Answer::List(items), Ok(reply)) => {
            let found = reply.clone().list_of(items.len()).map_err(|_| differs())?;
            let mut pairs = items.iter().zip(found);
            pairs.try_for_each(|(item, found)| {
                answer(matcher, item, &Ok(found)).map_err(|error| format!("{error}: {}", differs()))
            })
        }
        _ => Err(differs()),
    }
}
