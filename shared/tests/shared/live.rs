//! Live streams of a store with two partitions. Each partition has its own stream of changes.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use shared::base::health::Progress;
use shared::base::shutdown::Shutdown;
use shared::live::{Change, Feed, FeedPositions, Mark, Show, Signal};
use shared::redis::{Command, Redis, RedisError};
use shared::store::Store;
use shared::store::partition::{Partition, Partitions};
use stack::credentials::User;
use stack::wait::eventually;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::harness::{LAYOUT, LIMIT, Stores, url};

/// More changes than any test has.
const MANY: usize = 1_000;
/// The entries of one read of a stream of changes.
const READ: u64 = 32;
/// In the other partitions a client goes on this much before its last event.
const OVERLAP: Duration = Duration::from_secs(5);

/// Shows the id of a change. Each change takes a permit.
#[derive(Clone)]
struct Ids(Arc<Semaphore>);

/// A feed of two partitions, and its store.
struct Live {
    stores: Stores,
    feed: Feed<Ids>,
    permits: Arc<Semaphore>,
    readers: JoinSet<()>,
}

impl Show for Ids {
    async fn show(&self, change: &Change) -> Result<Option<String>, RedisError> {
        self.0.acquire().await.unwrap().forget();
        Ok(Some(change.id.clone()))
    }
}

fn both() -> Partitions {
    Partitions::new(NonZeroU16::new(2).unwrap())
}

fn partition(index: u16) -> Partition {
    Partition::at(Some(index))
}

impl Live {
    async fn start() -> Self {
        let stores = Stores::start().await;
        let store = Store::new(stores.operator.clone(), LAYOUT, &[], both());
        let permits = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let feed = Feed::new(store, Ids(permits.clone()));
        Self {
            stores,
            feed,
            permits,
            readers: JoinSet::new(),
        }
    }

    /// Reads both partitions, as a process does for its clients.
    fn read(&mut self) {
        for partition in both().all() {
            let reader = Redis::reader(&url(&self.stores.own, User::Operator), LIMIT);
            let (progress, stop) = (Progress::default(), Shutdown::new());
            let feed = self.feed.clone();
            self.readers
                .spawn(feed.run(partition, reader, progress, stop));
        }
    }

    /// Adds an entry with this id (`*` for the present time) and these fields. Answers its id.
    async fn add(&self, key: &str, id: &str, fields: [&str; 4]) -> String {
        let add = Command::new("XADD").arg(key).arg(id).args(fields);
        let added = self.stores.operator.run(add).await.unwrap();
        added.text().unwrap()
    }

    async fn change(&self, index: u16, id: &str, changed: &str) -> String {
        let key = partition(index).key("changes");
        self.add(&key, id, ["kind", "changed", "ids", changed])
            .await
    }

    async fn run(&self, name: &'static str, words: &[&str]) {
        let command = Command::new(name).args(words.iter().copied());
        self.stores.operator.run(command).await.unwrap();
    }

    async fn positions(&self, mark: Mark) -> FeedPositions {
        let positions = self.feed.positions_after(mark, MANY).await.unwrap();
        positions.expect("nothing was removed")
    }

    /// What a client receives that reconnects after this event.
    async fn missed(&self, mark: Mark) -> Vec<(Mark, String)> {
        let (mut positions, mut missed) = (self.positions(mark).await, Vec::new());
        loop {
            let page = self.feed.next_page(&mut positions).await.unwrap();
            let page = page.expect("nothing was removed");
            let told = page.notices.into_iter();
            missed.extend(told.map(|notice| (notice.change.mark, notice.data)));
            if !page.has_more {
                return missed;
            }
        }
    }
}

fn begin() -> Mark {
    "0-1.0".parse().unwrap()
}

async fn next(signals: &mut Receiver<Signal>) -> Signal {
    let signal = tokio::time::timeout(LIMIT, signals.recv()).await;
    signal.expect("no signal came").unwrap()
}

#[tokio::test]
async fn a_client_that_is_cut_off_between_two_pages_misses_nothing_of_a_dense_partition() {
    let live = Live::start().await;
    let mut all = Vec::new();
    for number in 0..150 {
        all.push(format!("dense-{number}"));
        live.change(0, &format!("{}-0", 1_000 + number), &all[all.len() - 1])
            .await;
    }
    for minute in 1..=30 {
        all.push(format!("sparse-{minute}"));
        live.change(1, &format!("{}-0", minute * 60_000), &all[all.len() - 1])
            .await;
    }
    let sent = live.missed(begin()).await;
    let told: Vec<&String> = sent.iter().map(|(_, id)| id).collect();
    assert_eq!(
        told,
        all.iter().collect::<Vec<_>>(),
        "each change once, in the order of time"
    );
    for cut in (0..sent.len()).step_by(10) {
        let again = live.missed(sent[cut].0).await;
        for (mark, id) in &sent[cut + 1..] {
            assert!(
                again.contains(&(*mark, id.clone())),
                "{id} is lost behind {}",
                sent[cut].1
            );
        }
    }
}

#[tokio::test]
async fn malformed_changes_end_no_stream() {
    let live = Live::start().await;
    let key = partition(0).key("changes");
    for _ in 0..READ * 3 {
        live.add(&key, "*", ["kind", "changed", "odd", "x"]).await;
    }
    live.change(0, "*", "last").await;
    live.change(1, "*", "other").await;
    let mut told: Vec<String> = live
        .missed(begin())
        .await
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    told.sort_unstable();
    assert_eq!(told, ["last", "other"]);
}

#[tokio::test]
async fn a_client_that_missed_more_than_the_limit_is_told_before_it_is_sent_anything() {
    let live = Live::start().await;
    for number in 0..READ * 2 {
        live.change(u16::try_from(number % 2).unwrap(), "*", "a b c")
            .await;
    }
    let count = usize::try_from(READ * 2 * 3).unwrap();
    for (limit, is_sent) in [(count, true), (count - 1, false), (1, false)] {
        let positions = live.feed.positions_after(begin(), limit).await.unwrap();
        assert_eq!(positions.is_some(), is_sent, "{limit} of {count}");
    }
}

/// The store removes the oldest changes while a client reads the missed ones page by page.
#[tokio::test]
async fn a_page_of_missed_changes_has_no_gap() {
    let live = Live::start().await;
    for number in 0..READ * 4 {
        live.change(0, "*", &number.to_string()).await;
    }
    let mut positions = live.positions(begin()).await;
    let first = live.feed.next_page(&mut positions).await.unwrap();
    assert!(first.unwrap().has_more);
    let kept = (READ + READ / 2).to_string();
    live.run("XTRIM", &["changes:{0}", "MAXLEN", &kept]).await;
    let second = live.feed.next_page(&mut positions).await.unwrap();
    assert!(second.is_none(), "{second:?}");
}

/// A process reads too slowly, and the store has removed changes that it had not read.
#[tokio::test]
async fn a_reader_that_falls_behind_tells_all_clients_to_start_over() {
    let mut live = Live::start().await;
    live.change(0, "*", "first").await;
    live.read();
    let (mut signals, _) = live.feed.subscribe().await.unwrap();
    live.permits.forget_permits(Semaphore::MAX_PERMITS);
    live.change(0, "*", "held-up").await;
    for number in 0..READ * 4 {
        live.change(0, "*", &number.to_string()).await;
    }
    let kept = (READ + READ / 2).to_string();
    live.run("XTRIM", &["changes:{0}", "MAXLEN", &kept]).await;
    live.permits.add_permits(MANY);
    let mut told = Vec::new();
    while let Signal::Notice(notice) = next(&mut signals).await {
        told.push(notice.data.clone());
    }
    assert!(
        told.len() <= 2 + usize::try_from(READ).unwrap(),
        "no change behind the gap: {told:?}"
    );
    live.change(0, "*", "later").await;
    let Signal::Notice(notice) = next(&mut signals).await else {
        panic!("a second reset");
    };
    assert_eq!(notice.data, "later", "the stream goes on from there");
}

/// The reader of one partition fails for longer than the overlap, while the reader of the other
/// goes on.
#[tokio::test]
async fn a_client_that_reconnects_receives_what_a_partition_that_was_read_late_has_from_before() {
    let mut live = Live::start().await;
    for index in [0, 1] {
        live.change(index, "*", "first").await;
    }
    live.read();
    let (signals, _) = live.feed.subscribe().await.unwrap();
    // From here on no client can read the partition. Its next change is written all the same.
    live.run("RENAME", &["changes:{0}", "aside"]).await;
    live.run("SET", &["changes:{0}", "no stream"]).await;
    let late = live
        .add("aside", "*", ["kind", "changed", "ids", "late"])
        .await;
    let begin_ms: u64 = late.split_once('-').unwrap().0.parse().unwrap();
    let signals = Mutex::new(signals);
    let behind = eventually("an event from long after it", async || {
        let id = live.change(1, "*", "in-time").await;
        let ms: u64 = id.split_once('-').unwrap().0.parse().unwrap();
        let Signal::Notice(notice) = next(&mut *signals.lock().await).await else {
            panic!("nothing was missed yet");
        };
        let is_late = Duration::from_millis(ms - begin_ms) > OVERLAP + Duration::from_secs(1);
        is_late.then_some(notice.change.mark)
    })
    .await;
    live.run("DEL", &["changes:{0}"]).await;
    live.run("RENAME", &["aside", "changes:{0}"]).await;
    let missed = live.missed(behind).await;
    assert!(
        missed.iter().any(|(_, id)| id == "late"),
        "the late event is lost behind {behind}: {missed:?}"
    );
}
