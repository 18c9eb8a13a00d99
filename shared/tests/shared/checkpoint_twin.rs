//! The function that moves a checkpoint against its statement in Rust, on random histories; and that it
//! does all it has to or nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use shared::contract::entry_id::EntryId;
use shared::contract::id::{Partition, Partitions};
use shared::redis::Command;
use shared::store::Store;
use shared::store::function::Library;
use stack::atomicity::{Bench, Subject};
use stack::credentials::User;
use stack::cut::Reader;
use stack::invocation::Invocation;
use stack::private_store::PrivateStore;
use stack::redis::Owner;
use stack::twin::snapshot::{Kept, Snapshot};
use stack::twin::{Answer, Beginning, Rng, Step, Twin, play};

use crate::harness::{LAYOUT, STREAM, partition};

/// Two streams, as a consumer of partitions has them.
const STREAMS: [&str; 2] = ["order_completed:{0}", "order_completed:{1}"];
/// How far apart the two earlier entries are, and how far a checkpoint moves at once: less and more.
const DISTANCES: [u64; 3] = [0, 10, 600_000];
const STRIDES: [u64; 5] = [0, 1, 9, 10, 400_000];
/// Lua knows the large ones only as texts.
const SEQUENCES: [u64; 5] = [0, 1, 2, u64::MAX - 1, u64::MAX];
/// Times that Lua knows only as texts: behind the last whole number that it can tell from its neighbours.
const FAR_TIMES: [u64; 4] = [
    1 << 53,
    10_000_000_000_000_000_000,
    1 << 63,
    u64::MAX - 1_000_000,
];
/// Counts that a damaged stream may have.
const COUNTS: [u64; 3] = [1 << 53, u64::MAX - 1, u64::MAX];

thread_local! {
    /// The replication id of the store of this test, which runs on a thread of its own.
    static REPLICATION_ID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Up to where a stream was acted on, as the function remembers it.
#[derive(Clone, Copy, Default)]
struct Remembered {
    entry: EntryId,
    count: u64,
    open: EntryId,
    /// The earlier entry that will be old enough one day, and the one that is.
    middle: EntryId,
    earlier: EntryId,
}

/// One call.
struct Move {
    stream: &'static str,
    known: EntryId,
    entry: EntryId,
    count: u64,
    open: EntryId,
    distance: u64,
    /// Whether the caller means the incarnation that the store is in.
    in_this_incarnation: bool,
    /// Whether it means it although a later entry is remembered.
    back: bool,
}

struct Checkpoints {
    partition: Partition,
    remembered: BTreeMap<&'static str, Remembered>,
}

impl Twin for Checkpoints {
    fn begin(beginning: Beginning, _: &mut Rng) -> Self {
        Self {
            partition: beginning.partition,
            remembered: BTreeMap::new(),
        }
    }

    fn step(&mut self, _: usize, random: &mut Rng) -> Step {
        let stream = one(random, &STREAMS);
        let at = self
            .remembered
            .get(stream)
            .copied()
            .unwrap_or_default()
            .entry;
        let mut entry = near(at, random);
        if random.u32(..4) > 0 {
            entry = entry.max(at);
        }
        let request = Move {
            stream,
            // Mostly what there is: less, after another consumer moved it; more, after a loss.
            known: if random.u32(..4) > 0 {
                at
            } else {
                near(at, random)
            },
            entry,
            count: if random.u32(..8) > 0 {
                random.u64(..1_000)
            } else {
                one(random, &COUNTS)
            },
            open: near(entry, random).min(entry),
            distance: one(random, &DISTANCES),
            in_this_incarnation: random.u32(..8) > 0,
            back: random.u32(..4) == 0,
        };
        let answer = Answer::Number(self.move_checkpoint(&request));
        let left = self
            .remembered
            .get(stream)
            .map(|_| (self.key(), Kept::Hash(self.fields())));
        Step {
            call: request.invocation(self.partition),
            answer,
            left,
        }
    }

    fn expected(&self) -> Snapshot {
        Snapshot::from([(self.key(), Kept::Hash(self.fields()))])
    }
}

impl Checkpoints {
    fn move_checkpoint(&mut self, request: &Move) -> i64 {
        let there = self
            .remembered
            .get(request.stream)
            .copied()
            .unwrap_or_default();
        if there.entry < request.known || !request.in_this_incarnation {
            return 0;
        }
        let Move {
            stream,
            entry,
            count,
            open,
            ..
        } = *request;
        if there.entry > entry && request.back {
            let (open, earlier) = (there.open.min(open), there.earlier.min(entry));
            let back = Remembered {
                entry,
                count,
                open,
                middle: entry,
                earlier,
            };
            self.remembered.insert(stream, back);
            return 1;
        }
        if there.entry >= request.entry {
            return 1;
        }
        let is_old = |earlier: EntryId| {
            request
                .entry
                .ms
                .checked_sub(earlier.ms)
                .is_some_and(|age| age >= request.distance)
        };
        let (middle, earlier) = match (is_old(there.entry), is_old(there.middle)) {
            (true, _) => (request.entry, there.entry),
            (false, true) => (there.entry, there.middle),
            (false, false) => (there.middle, there.earlier),
        };
        self.remembered.insert(
            stream,
            Remembered {
                entry,
                count,
                open,
                middle,
                earlier,
            },
        );
        1
    }

    fn key(&self) -> String {
        self.partition.key("checkpoint")
    }

    fn fields(&self) -> BTreeMap<String, String> {
        let fields = self.remembered.iter().map(|(stream, remembered)| {
            let Remembered {
                entry,
                count,
                open,
                middle,
                earlier,
            } = remembered;
            (
                (*stream).to_owned(),
                format!("{entry} {count} {open} {middle} {earlier}"),
            )
        });
        fields.collect()
    }
}

impl Move {
    fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("move_checkpoint")
            .key(partition.key("checkpoint"))
            .arg(self.stream)
            .arg(self.known)
            .arg(self.entry)
            .arg(self.count)
            .arg(self.open)
            .arg(self.distance)
            .arg(self.incarnation())
            .arg(if self.back { "back" } else { "forward" })
    }

    /// A cluster has a replication id for each of its nodes; one that this store is not in stands first.
    fn incarnation(&self) -> String {
        let id = REPLICATION_ID.with_borrow(Clone::clone);
        if self.in_this_incarnation {
            format!("another {id}")
        } else {
            "another".to_owned()
        }
    }
}

#[tokio::test]
async fn a_checkpoint_moves_as_its_twin_says() {
    let (private, store) = start().await;
    play::<Checkpoints>("checkpoint", &private.operator, &store).await;
}

#[tokio::test]
async fn a_key_of_a_wrong_type_or_an_odd_argument_moves_no_checkpoint() {
    let (private, store) = start().await;
    let (types, _) = bench(&private, &store)
        .await
        .spoil_everything("checkpoint", &[subject()])
        .await;
    assert!(types.cases >= 10, "{types:?}");
}

#[tokio::test]
async fn a_log_that_ends_in_the_middle_of_a_move_has_all_of_it_or_none() {
    let (private, store) = start().await;
    let bench = bench(&private, &store).await;
    let mut reader = Reader::start(&private).await.unwrap();
    reader
        .cut_all(&bench, "checkpoint", &[subject()])
        .await
        .unwrap();
}

async fn start() -> (PrivateStore, Store) {
    let private = PrivateStore::start(Owner::Inventory).await.unwrap();
    let redis = private.client(User::Inventory).unwrap();
    let store = Store::new(redis, Library::new(LAYOUT, &[]), Partitions::NONE);
    store.load_functions(partition()).await.unwrap();
    REPLICATION_ID.set(store.replication_id(partition()).await.unwrap());
    (private, store)
}

/// A store that has acted on a part of the stream.
async fn bench<'a>(private: &'a PrivateStore, store: &'a Store) -> Bench<'a> {
    let identity = Command::new("SET")
        .arg("identity")
        .arg(store.identity_text("test"));
    private.operator.run(identity).await.unwrap();
    let set = Command::new("HSET")
        .key("checkpoint")
        .args([STREAM, "9-1 5 8-0 7-0 6-0"]);
    private.operator.run(set).await.unwrap();
    let type_of = |key: &str| {
        if key == "checkpoint" {
            "hash"
        } else {
            "string"
        }
    };
    Bench {
        private,
        store,
        baseline: private.dump().await,
        type_of,
    }
}

fn subject() -> Subject {
    let request = Move {
        stream: STREAM,
        known: EntryId { ms: 9, sequence: 1 },
        entry: EntryId {
            ms: 20,
            sequence: 0,
        },
        count: 7,
        open: EntryId {
            ms: 19,
            sequence: 0,
        },
        distance: 10,
        in_this_incarnation: true,
        back: false,
    };
    // How much older an entry has to be; and the count, which may have more digits than Lua knows.
    let invocation = request.invocation(partition());
    Subject {
        invocation,
        numbers: vec![5],
        passed_on: vec![3],
        ..Subject::default()
    }
}

/// An entry some way before or behind another one.
fn near(entry: EntryId, random: &mut Rng) -> EntryId {
    let stride = one(random, &STRIDES);
    let ms = match random.u32(..80) {
        0 => one(random, &FAR_TIMES).saturating_add(stride),
        1..60 => entry.ms.saturating_add(stride),
        _ => entry.ms.saturating_sub(stride),
    };
    EntryId {
        ms,
        sequence: one(random, &SEQUENCES),
    }
}

fn one<T: Copy>(random: &mut Rng, items: &[T]) -> T {
    items[random.usize(..items.len())]
}
