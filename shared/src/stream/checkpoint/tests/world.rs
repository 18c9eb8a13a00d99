//! Two stores, two readers, and every fault that may happen to them.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::super::agreement::judge;
use super::super::*;
use super::stores::{Own, Stream};

#[derive(Clone, Default)]
struct Reader {
    in_hand: BTreeSet<EntryId>,
    known: EntryId,
    must_look: bool,
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: u64,
    pub(super) stream: Stream,
    pub(super) own: Own,
    pub(super) incarnation: u64,
    readers: [Reader; 2],
    stream_past: Vec<(u64, Stream)>,
    own_past: Vec<(u64, Own)>,
    removed: BTreeSet<EntryId>,
    trim_at: u64,
}

/// The longest tail, in milliseconds, that a store may lose.
const TAIL_MS: u64 = 3_000;
/// Pause between two trims, in milliseconds: longer than any lost tail.
const TRIM_MS: u64 = 10 * TAIL_MS;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            now: 100 * DAY_MS,
            stream: Stream::default(),
            own: Own::default(),
            incarnation: 0,
            readers: [Reader::default(), Reader::default()],
            stream_past: Vec::new(),
            own_past: Vec::new(),
            removed: BTreeSet::new(),
            trim_at: 0,
        }
    }

    pub(super) fn step(&mut self) -> Result<(), String> {
        self.stream_past.push((self.now, self.stream.clone()));
        self.own_past.push((self.now, self.own.clone()));
        self.now += self.rng.u64(1..200);
        let reader = self.rng.usize(0..2);
        match self.rng.u8(0..100) {
            0..25 => self.emit(),
            25..45 => self.read(reader),
            45..70 => self.settle(reader),
            70..80 => self.look(reader)?,
            80..86 if self.now >= self.trim_at => self.trim(),
            80..86 => {}
            86..88 => {
                // A live reader looks every few seconds.
                self.look(reader)?;
                self.now += self.rng.u64(0..DAY_MS);
                self.trim_at = self.now + TRIM_MS;
            }
            88..90 => self.crash(reader),
            90..92 => {
                self.stream.pending.clear();
                (self.stream.delivered, self.stream.read) = (EntryId::default(), None);
                // The model leaves out that a lost tail undoes this before a reader looks.
                self.stream_past.clear();
                self.stream_past.push((0, self.stream.clone()));
            }
            92..94 => self.delete_settled(),
            94..97 => {
                let tail = Self::before(&mut self.own_past, self.now);
                self.own = tail.unwrap_or_default();
                self.incarnation += 1;
                (0..2).for_each(|reader| self.crash(reader));
            }
            _ => {
                let tail = Self::before(&mut self.stream_past, self.now);
                self.stream = tail.unwrap_or_default();
                (0..2).for_each(|reader| self.crash(reader));
            }
        }
        Ok(())
    }

    /// The data of a store that has lost up to its last [`TAIL_MS`] milliseconds.
    fn before<T: Clone>(past: &mut Vec<(u64, T)>, now: u64) -> Option<T> {
        let cut = fastrand::Rng::with_seed(now).u64(0..TAIL_MS);
        past.retain(|(at, _)| at + cut <= now);
        past.last().map(|(_, state)| state.clone())
    }

    pub(super) fn emit(&mut self) {
        for _ in 0..self.rng.u8(1..4) {
            self.now += self.rng.u64(0..3);
            let ms = self.now.max(self.stream.last.ms + 1);
            self.stream.last = EntryId::first_of(ms);
            self.stream.entries.insert(self.stream.last);
            self.stream.added += 1;
        }
    }

    pub(super) fn read(&mut self, reader: usize) {
        if self.readers[reader].must_look || !self.readers[reader].in_hand.is_empty() {
            return;
        }
        let held: BTreeSet<EntryId> = self
            .readers
            .iter()
            .flat_map(|reader| reader.in_hand.clone())
            .collect();
        let stream = &mut self.stream;
        let mut batch: BTreeSet<EntryId> = stream.pending.difference(&held).copied().collect();
        if batch.is_empty() {
            let after = stream.delivered;
            batch = stream
                .entries
                .iter()
                .copied()
                .filter(|id| *id > after)
                .take(4)
                .collect();
            if let Some(&last) = batch.last() {
                stream.delivered = last;
                let behind = stream.entries.iter().filter(|id| **id > last).count() as u64;
                stream.read = self.rng.u8(0..8).gt(&0).then_some(stream.added - behind);
            }
            stream.pending.extend(&batch);
        }
        self.readers[reader].in_hand = batch;
    }

    /// Acts on the batch in hand, moves the checkpoint, and acknowledges. The reader may die in
    /// between.
    pub(super) fn settle(&mut self, reader: usize) {
        let batch = std::mem::take(&mut self.readers[reader].in_hand);
        let Some(&newest) = batch.last() else { return };
        self.own.acted.extend(&batch);
        if self.dies(reader) {
            return;
        }
        let known = self.readers[reader].known;
        if newest.ms > known.ms + as_ms(MAX_UNRECORDED) {
            if !self
                .own
                .move_checkpoint(known, Recorded::at(newest, &self.stream.state()))
            {
                return self.crash(reader);
            }
            self.readers[reader].known = newest.max(known);
        }
        if !self.dies(reader) {
            self.stream.pending = self.stream.pending.difference(&batch).copied().collect();
        }
    }

    pub(super) fn look(&mut self, reader: usize) -> Result<(), String> {
        let is_older = self.own.recorded.id < self.readers[reader].known;
        let (state, recorded) = (self.stream.state(), self.own.recorded);
        self.readers[reader].known = recorded.id;
        match judge(&state, "s", recorded, |id| {
            self.stream.entries.contains(&id)
        }) {
            Agreement::Diverged(reason) => return Err(format!("{reason}: {recorded:?} {state:?}")),
            Agreement::TailLost => {
                let earlier = recorded.earlier.min(state.delivered);
                self.own.recorded = Recorded {
                    earlier,
                    ..Recorded::at(state.delivered, &state)
                };
                self.own.middle = state.delivered;
                self.readers[reader].known = state.delivered;
                // The model leaves out that both stores lose their tails one after the other.
                self.own_past.clear();
                self.own_past.push((0, self.own.clone()));
            }
            Agreement::Consistent => {}
        }
        self.readers[reader].must_look = false;
        if self.own.incarnation_done != self.incarnation || is_older {
            let from = recorded.replay_from(state.delivered);
            let past = self.stream.entries.range(from..=state.delivered);
            self.own.acted.extend(past);
            self.own.incarnation_done = self.incarnation;
        }
        let known = self.readers[reader].known;
        if state.delivered > known {
            let to = Recorded::at(state.delivered, &state);
            assert!(self.own.move_checkpoint(known, to));
            self.readers[reader].known = state.delivered;
        }
        Ok(())
    }

    pub(super) fn trim(&mut self) {
        self.trim_at = self.now + TRIM_MS;
        let needed = self
            .stream
            .pending
            .first()
            .map_or(self.stream.delivered, |&oldest| oldest);
        let ms = needed.ms.min(self.now).saturating_sub(as_ms(REPLAY_WINDOW));
        let kept = self.stream.entries.split_off(&EntryId::first_of(ms));
        self.removed.append(&mut self.stream.entries);
        self.stream.entries = kept;
    }

    fn delete_settled(&mut self) {
        let Stream {
            entries,
            pending,
            delivered,
            ..
        } = &mut self.stream;
        let settled: Vec<EntryId> = entries.range(..=*delivered).copied().collect();
        if let Some(id) = self.rng.choice(settled).filter(|id| !pending.contains(id)) {
            entries.remove(&id);
            self.stream.removed = self.stream.removed.max(id);
            self.removed.insert(id);
        }
    }

    pub(super) fn crash(&mut self, reader: usize) {
        self.readers[reader] = Reader {
            must_look: true,
            ..Reader::default()
        };
    }

    fn dies(&mut self, reader: usize) -> bool {
        let dies = self.rng.u8(0..20) == 0;
        if dies {
            self.crash(reader);
        }
        dies
    }

    /// Whether the own store has forgotten an entry that the stream has removed.
    pub(super) fn has_real_loss(&self) -> bool {
        !self.removed.is_subset(&self.own.acted)
    }
}
