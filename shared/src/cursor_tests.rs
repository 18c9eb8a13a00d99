//! Random histories of two stores that lose their tails, in a model of what Redis does: nothing is
//! taken for a loss that is none, and what was acted on is acted on in the end.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::*;

const HISTORIES: u64 = 4_000;
const STEPS: usize = 150;
/// How much of a tail may be lost.
const TAIL_MS: u64 = 3_000;
/// Pause between two trims: longer than any tail.
const TRIM_MS: u64 = 10 * TAIL_MS;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Clone, Default)]
struct Stream {
    entries: BTreeSet<EntryId>,
    added: u64,
    last: EntryId,
    delivered: EntryId,
    read: Option<u64>,
    pending: BTreeSet<EntryId>,
    removed: EntryId,
}

#[derive(Clone, Default)]
struct Own {
    cursor: Cursor,
    middle: EntryId,
    acted: BTreeSet<EntryId>,
    life_done: u64,
}

#[derive(Clone, Default)]
struct Reader {
    in_hand: BTreeSet<EntryId>,
    known: EntryId,
    must_look: bool,
}

struct World {
    rng: Rng,
    now: u64,
    stream: Stream,
    own: Own,
    life: u64,
    readers: [Reader; 2],
    stream_past: Vec<(u64, Stream)>,
    own_past: Vec<(u64, Own)>,
    removed: BTreeSet<EntryId>,
    trim_at: u64,
}

impl Stream {
    fn state(&self) -> StreamState {
        StreamState {
            length: self.entries.len() as u64,
            added: self.added,
            first: self.entries.first().copied(),
            last: self.last,
            delivered: self.delivered,
            read: self.read,
            pending: self.pending.len() as u64,
            oldest_pending: self.pending.first().copied(),
            removed: self.removed,
        }
    }
}

impl Own {
    /// What the function of that name does.
    fn move_cursor(&mut self, known: EntryId, to: Cursor) -> bool {
        let (at, distance) = (self.cursor.id, as_ms(REWIND));
        if at < known {
            return false;
        }
        if at < to.id {
            let mut earlier = self.cursor.earlier;
            if at.ms + distance <= to.id.ms {
                (self.middle, earlier) = (to.id, at);
            } else if self.middle.ms + distance <= to.id.ms {
                (self.middle, earlier) = (at, self.middle);
            }
            self.cursor = Cursor { earlier, ..to };
        }
        true
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            now: 100 * DAY_MS,
            stream: Stream::default(),
            own: Own::default(),
            life: 0,
            readers: [Reader::default(), Reader::default()],
            stream_past: Vec::new(),
            own_past: Vec::new(),
            removed: BTreeSet::new(),
            trim_at: 0,
        }
    }

    fn step(&mut self) -> Result<(), String> {
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
                // Whoever is alive looks every few seconds.
                self.look(reader)?;
                self.now += self.rng.u64(0..DAY_MS);
                self.trim_at = self.now + TRIM_MS;
            }
            88..90 => self.crash(reader),
            90..92 => {
                self.stream.pending.clear();
                (self.stream.delivered, self.stream.read) = (EntryId::default(), None);
                // That this is undone by a lost tail as well, before anybody looks, is left out.
                self.stream_past.clear();
                self.stream_past.push((0, self.stream.clone()));
            }
            92..94 => self.delete_settled(),
            94..97 => {
                let tail = Self::before(&mut self.own_past, self.now);
                self.own = tail.unwrap_or_default();
                self.life += 1;
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

    /// What a store has on disk that loses up to the last seconds.
    fn before<T: Clone>(past: &mut Vec<(u64, T)>, now: u64) -> Option<T> {
        let cut = fastrand::Rng::with_seed(now).u64(0..TAIL_MS);
        past.retain(|(at, _)| at + cut <= now);
        past.last().map(|(_, state)| state.clone())
    }

    fn emit(&mut self) {
        for _ in 0..self.rng.u8(1..4) {
            self.now += self.rng.u64(0..3);
            let ms = self.now.max(self.stream.last.ms + 1);
            self.stream.last = EntryId::first_of(ms);
            self.stream.entries.insert(self.stream.last);
            self.stream.added += 1;
        }
    }

    fn read(&mut self, reader: usize) {
        if self.readers[reader].must_look || !self.readers[reader].in_hand.is_empty() {
            return;
        }
        let held: BTreeSet<EntryId> =
            self.readers.iter().flat_map(|reader| reader.in_hand.clone()).collect();
        let stream = &mut self.stream;
        let mut batch: BTreeSet<EntryId> = stream.pending.difference(&held).copied().collect();
        if batch.is_empty() {
            let after = stream.delivered;
            batch = stream.entries.iter().copied().filter(|id| *id > after).take(4).collect();
            if let Some(&last) = batch.last() {
                stream.delivered = last;
                let behind = stream.entries.iter().filter(|id| **id > last).count() as u64;
                stream.read = self.rng.u8(0..8).gt(&0).then_some(stream.added - behind);
            }
            stream.pending.extend(&batch);
        }
        self.readers[reader].in_hand = batch;
    }

    /// Acts, remembers, acknowledges; and may die in between.
    fn settle(&mut self, reader: usize) {
        let batch = std::mem::take(&mut self.readers[reader].in_hand);
        let Some(&newest) = batch.last() else { return };
        self.own.acted.extend(&batch);
        if self.dies(reader) {
            return;
        }
        let known = self.readers[reader].known;
        if newest.ms > known.ms + as_ms(STEP) {
            if !self.own.move_cursor(known, self.stream.state().cursor_at(newest)) {
                return self.crash(reader);
            }
            self.readers[reader].known = newest.max(known);
        }
        if !self.dies(reader) {
            self.stream.pending = self.stream.pending.difference(&batch).copied().collect();
        }
    }

    fn look(&mut self, reader: usize) -> Result<(), String> {
        let is_older = self.own.cursor.id < self.readers[reader].known;
        let (state, cursor) = (self.stream.state(), self.own.cursor);
        self.readers[reader].known = cursor.id;
        match state.judge("s", cursor, |id| self.stream.entries.contains(&id)) {
            Fit::Lost(reason) => return Err(format!("{reason}: {cursor:?} {state:?}")),
            Fit::LostTail => {
                let earlier = cursor.earlier.min(state.delivered);
                self.own.cursor = Cursor { earlier, ..state.cursor_at(state.delivered) };
                self.own.middle = state.delivered;
                self.readers[reader].known = state.delivered;
                // That both stores lose their tails one after the other is left out.
                self.own_past.clear();
                self.own_past.push((0, self.own.clone()));
            }
            Fit::Good => {}
        }
        self.readers[reader].must_look = false;
        if self.own.life_done != self.life || is_older {
            let from = cursor.rewind_from(state.delivered);
            let past = self.stream.entries.range(from..=state.delivered);
            self.own.acted.extend(past);
            self.own.life_done = self.life;
            let known = self.readers[reader].known;
            if state.delivered > known {
                assert!(self.own.move_cursor(known, state.cursor_at(state.delivered)));
                self.readers[reader].known = state.delivered;
            }
        } else if state.delivered > self.readers[reader].known {
            let known = self.readers[reader].known;
            assert!(self.own.move_cursor(known, state.cursor_at(state.delivered)));
            self.readers[reader].known = state.delivered;
        }
        Ok(())
    }

    fn trim(&mut self) {
        self.trim_at = self.now + TRIM_MS;
        let needed = self.stream.pending.first().map_or(self.stream.delivered, |&oldest| oldest);
        let ms = needed.ms.min(self.now).saturating_sub(as_ms(REWIND));
        let kept = self.stream.entries.split_off(&EntryId::first_of(ms));
        self.removed.append(&mut self.stream.entries);
        self.stream.entries = kept;
    }

    fn delete_settled(&mut self) {
        let Stream { entries, pending, delivered, .. } = &mut self.stream;
        let settled: Vec<EntryId> = entries.range(..=*delivered).copied().collect();
        if let Some(id) = self.rng.choice(settled).filter(|id| !pending.contains(id)) {
            entries.remove(&id);
            self.stream.removed = self.stream.removed.max(id);
            self.removed.insert(id);
        }
    }

    fn crash(&mut self, reader: usize) {
        self.readers[reader] = Reader { must_look: true, ..Reader::default() };
    }

    fn dies(&mut self, reader: usize) -> bool {
        let dies = self.rng.u8(0..20) == 0;
        if dies {
            self.crash(reader);
        }
        dies
    }

    /// Nothing that was removed from the stream is forgotten by the own store.
    fn has_real_loss(&self) -> bool {
        !self.removed.is_subset(&self.own.acted)
    }
}

#[test]
fn a_lost_tail_is_never_taken_for_an_old_store_and_is_always_made_good() {
    let mut lost = 0;
    'histories: for seed in 0..HISTORIES {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            if let Err(reason) = world.step() {
                assert!(world.has_real_loss(), "seed {seed}: {reason}");
                lost += 1;
                continue 'histories;
            }
        }
        for round in 0..2 * STEPS {
            let reader = round % 2;
            if let Err(reason) = world.look(reader) {
                assert!(world.has_real_loss(), "seed {seed}: {reason}");
                lost += 1;
                continue 'histories;
            }
            world.read(reader);
            world.settle(reader);
        }
        let missing: Vec<_> = world.stream.entries.difference(&world.own.acted).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
    }
    assert!(lost < HISTORIES / 10, "{lost} of {HISTORIES}");
}

#[test]
fn a_backup_that_cannot_be_made_good_is_always_noticed() {
    let (mut noticed, mut in_vain) = (0, 0);
    for seed in 0..HISTORIES {
        let mut world = World::new(seed);
        let mut backup = None;
        for step in 0..STEPS {
            // Without any other loss.
            world.now += world.rng.u64(1..60_000);
            let reader = world.rng.usize(0..2);
            match world.rng.u8(0..9) {
                0..3 => world.emit(),
                3..5 => world.read(reader),
                5..7 => world.settle(reader),
                7 => world.look(reader).unwrap(),
                _ => world.trim(),
            }
            if step == STEPS / 3 {
                // Nothing is under way for as long as it would take to be trimmed.
                for round in 0..STEPS {
                    world.look(round % 2).unwrap();
                    world.read(round % 2);
                    world.settle(round % 2);
                }
                backup = Some(world.own.clone());
            }
        }
        world.own = backup.unwrap();
        world.life += 1;
        world.crash(0);
        let is_lost = world.look(0).is_err();
        assert!(is_lost || !world.has_real_loss(), "seed {seed}");
        noticed += u64::from(is_lost);
        // The cursor is a minute behind at most, so what was acted on in that minute may be blamed.
        in_vain += u64::from(is_lost && !world.has_real_loss());
    }
    assert!(noticed > HISTORIES / 2 && in_vain < HISTORIES / 100, "{noticed}, {in_vain} in vain");
}
