//! The twin of `move_checkpoint`, and random calls of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proof::invocation::Invocation;
use proof::twin::snapshot::{Kept, Snapshot};
use proof::twin::{Answer, Beginning, Rng, Step, Twin};
use shared::contract::entry_id::EntryId;
use shared::store::partition::Partition;

/// What a store has recorded of a stream.
#[derive(Clone, Copy, Default)]
struct Recorded {
    entry: EntryId,
    count: u64,
    open: EntryId,
    /// The entry that becomes `earlier` once it is old enough.
    middle: EntryId,
    /// The last entry that is older than `entry` by the distance of the call.
    earlier: EntryId,
}

/// One call of `move_checkpoint`.
pub(crate) struct Move {
    pub(crate) stream: &'static str,
    pub(crate) known: EntryId,
    pub(crate) entry: EntryId,
    pub(crate) count: u64,
    pub(crate) open: EntryId,
    pub(crate) distance: u64,
    /// Whether the call names the incarnation of the store.
    pub(crate) in_this_incarnation: bool,
    /// Whether the call moves the checkpoint back.
    pub(crate) back: bool,
}

/// The checkpoints of one partition.
pub(crate) struct Checkpoints {
    partition: Partition,
    recorded: BTreeMap<&'static str, Recorded>,
}

/// Two streams: a consumer reads one for each partition.
const STREAMS: [&str; 2] = ["order_completed:{0}", "order_completed:{1}"];
/// How much older than the checkpoint the earlier entry has to be, in milliseconds.
const DISTANCES: [u64; 3] = [0, 10, 600_000];
/// By how many milliseconds a checkpoint moves at once: less than a distance, and more.
const STRIDES: [u64; 5] = [0, 1, 9, 10, 400_000];
/// Sequence numbers. Lua holds the largest ones only as text.
const SEQUENCES: [u64; 5] = [0, 1, 2, u64::MAX - 1, u64::MAX];
/// Times that Lua holds only as text: from 2^53 on its numbers skip integers.
const FAR_TIMES: [u64; 4] = [
    1 << 53,
    10_000_000_000_000_000_000,
    1 << 63,
    u64::MAX - 1_000_000,
];
/// Counts that only a damaged stream has.
const COUNTS: [u64; 3] = [1 << 53, u64::MAX - 1, u64::MAX];

thread_local! {
    /// The replication id of the store of this test, which runs on a thread of its own.
    pub(crate) static REPLICATION_ID: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Twin for Checkpoints {
    fn begin(beginning: Beginning, _: &mut Rng) -> Self {
        Self {
            partition: beginning.partition,
            recorded: BTreeMap::new(),
        }
    }

    fn step(&mut self, _: usize, random: &mut Rng) -> Step {
        let stream = one(random, &STREAMS);
        let at = self.recorded.get(stream).copied().unwrap_or_default().entry;
        let mut entry = near(at, random);
        if random.u32(..4) > 0 {
            entry = entry.max(at);
        }
        let request = Move {
            stream,
            // Usually the recorded entry. It is lower if another consumer moved the checkpoint
            // since, and higher if the store lost writes.
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
            .recorded
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
            .recorded
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
            let back = Recorded {
                entry,
                count,
                open,
                middle: entry,
                earlier,
            };
            self.recorded.insert(stream, back);
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
        self.recorded.insert(
            stream,
            Recorded {
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
        let fields = self.recorded.iter().map(|(stream, recorded)| {
            let Recorded {
                entry,
                count,
                open,
                middle,
                earlier,
            } = recorded;
            (
                (*stream).to_owned(),
                format!("{entry} {count} {open} {middle} {earlier}"),
            )
        });
        fields.collect()
    }
}

impl Move {
    /// The call as the store gets it.
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
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

    /// The replication ids that the caller knows. A cluster has one for each node, so the id of
    /// another node stands first.
    fn incarnation(&self) -> String {
        let id = REPLICATION_ID.with_borrow(Clone::clone);
        if self.in_this_incarnation {
            format!("another {id}")
        } else {
            "another".to_owned()
        }
    }
}

/// An entry some milliseconds before or after another one.
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
