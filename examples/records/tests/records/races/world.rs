//! The model: the states of the cache, the database and the processes, and their steps.

/// The entry of the record in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Absent,
    Value(u8),
    Lease(usize),
}

/// Where a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Start,
    /// A reader has a lease.
    Leased,
    /// A reader has read this value from the database.
    Read(u8),
    /// A writer has placed its hold.
    Held,
    /// A writer could not place a hold.
    Unheld,
    /// A writer has committed.
    Committed,
    /// A writer has committed, and could not tell the cache.
    Unreleased,
    End,
}

/// Where the repair of the cache is. The number is that of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Repair {
    Idle,
    Found(u8),
    Removed(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reader,
    Writer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    entry: Entry,
    /// The holds of the writers.
    holds: [bool; KINDS.len()],
    /// The value in the database: how many writers have committed.
    database: u8,
    /// The number of the note that the record is stale. 0 stands for no note.
    note: u8,
    /// The last number of a note.
    notes: u8,
    repair: Repair,
    at: [At; KINDS.len()],
    /// How many processes may still die.
    deaths: u8,
    /// How many commands of writers may still not reach the cache.
    misses: u8,
    /// How often the cache may still lose everything.
    losses: u8,
}

/// A part of the protocol, so that the test can leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A fill checks that its lease still stands.
    CheckedFill,
    /// A reader gets no lease while a hold stands.
    LeaseHeedsHolds,
    /// A writer removes the entry before it writes.
    RemovesBefore,
    /// A writer removes the entry after its commit.
    RemovesAfter,
    /// A change without a hold is noted, in its transaction.
    NotesUnheld,
    /// A change whose end the cache did not hear of is noted.
    NotesUnreleased,
    /// The repair forgets only the note that it has found.
    ForgetsByNumber,
}

pub(super) use Rule::{
    CheckedFill, ForgetsByNumber, LeaseHeedsHolds, NotesUnheld, NotesUnreleased, RemovesAfter,
    RemovesBefore,
};

const KINDS: [Kind; 5] = [
    Kind::Reader,
    Kind::Reader,
    Kind::Writer,
    Kind::Writer,
    Kind::Writer,
];

impl World {
    /// Processes die, and the cache loses no hold.
    pub(super) fn with_deaths() -> Self {
        Self {
            entry: Entry::Absent,
            holds: [false; KINDS.len()],
            database: 0,
            note: 0,
            notes: 0,
            repair: Repair::Idle,
            at: [At::Start; KINDS.len()],
            deaths: 2,
            misses: 1,
            losses: 0,
        }
    }

    /// The cache loses everything, and no process dies.
    pub(super) fn with_losses() -> Self {
        Self {
            deaths: 0,
            losses: 1,
            ..Self::with_deaths()
        }
    }

    /// Commands do not reach the cache, and nothing else happens.
    pub(super) fn with_misses() -> Self {
        Self {
            deaths: 0,
            misses: 2,
            ..Self::with_deaths()
        }
    }

    /// The cache loses everything, and processes die.
    pub(super) fn with_losses_and_deaths() -> Self {
        Self {
            losses: 1,
            ..Self::with_deaths()
        }
    }

    /// Whether the entry is as new as the database, or is about to be removed.
    pub(super) fn is_good(&self) -> bool {
        let about_to_remove = |at: &At| [At::Committed, At::Unreleased].contains(at);
        match self.entry {
            Entry::Value(value) => {
                value == self.database || self.note > 0 || self.at.iter().any(about_to_remove)
            }
            _ => true,
        }
    }

    /// Every world that one step leads to.
    pub(super) fn next(&self, without: &[Rule]) -> Vec<Self> {
        let mut worlds = vec![self.repaired(without), self.without_entry()];
        if self.losses > 0 {
            worlds.push(Self {
                holds: [false; KINDS.len()],
                losses: self.losses - 1,
                ..self.without_entry()
            });
        }
        for (process, kind) in KINDS.into_iter().enumerate() {
            let mut world = self.clone();
            let at = self.at[process];
            if at == At::End {
                // It stands longer than a statement may take, and so ends only after its writer.
                world.holds[process] = false;
                worlds.push(world);
                continue;
            }
            world.step(process, kind, without);
            worlds.push(world);
            if self.deaths > 0 {
                let mut world = self.clone();
                world.at[process] = At::End;
                world.deaths -= 1;
                worlds.push(world);
            }
            let missed = match (kind, at) {
                (Kind::Writer, At::Start) => At::Unheld,
                (Kind::Writer, At::Committed) => At::Unreleased,
                _ => continue,
            };
            if self.misses > 0 {
                let mut world = self.clone();
                world.at[process] = missed;
                world.misses -= 1;
                worlds.push(world);
            }
        }
        worlds
    }

    /// A value and a lease may expire at any time.
    fn without_entry(&self) -> Self {
        Self {
            entry: Entry::Absent,
            ..self.clone()
        }
    }

    /// One step of the repair.
    fn repaired(&self, without: &[Rule]) -> Self {
        let mut world = self.clone();
        world.repair = match self.repair {
            Repair::Idle if self.note > 0 => Repair::Found(self.note),
            Repair::Idle => Repair::Idle,
            Repair::Found(number) => {
                world.entry = Entry::Absent;
                Repair::Removed(number)
            }
            Repair::Removed(number) => {
                if self.note == number || without.contains(&ForgetsByNumber) {
                    world.note = 0;
                }
                Repair::Idle
            }
        };
        world
    }

    fn step(&mut self, process: usize, kind: Kind, without: &[Rule]) {
        let at = self.at[process];
        self.at[process] = match (kind, at) {
            (Kind::Reader, At::Start) if self.gives_lease(without) => {
                self.entry = Entry::Lease(process);
                At::Leased
            }
            (Kind::Reader, At::Leased) => At::Read(self.database),
            (Kind::Reader, At::Read(value)) => {
                if self.entry == Entry::Lease(process) || without.contains(&CheckedFill) {
                    self.entry = Entry::Value(value);
                }
                At::End
            }
            (Kind::Writer, At::Start) => {
                self.holds[process] = true;
                if !without.contains(&RemovesBefore) {
                    self.entry = Entry::Absent;
                }
                At::Held
            }
            (Kind::Writer, At::Held) => {
                self.database += 1;
                At::Committed
            }
            (Kind::Writer, At::Unheld) => {
                self.database += 1;
                self.take_note(NotesUnheld, without);
                At::End
            }
            (Kind::Writer, At::Committed) => {
                self.holds[process] = false;
                if !without.contains(&RemovesAfter) {
                    self.entry = Entry::Absent;
                }
                At::End
            }
            (Kind::Writer, At::Unreleased) => {
                self.take_note(NotesUnreleased, without);
                At::End
            }
            // A reader that finds an entry or a hold stores nothing.
            _ => At::End,
        };
    }

    fn take_note(&mut self, rule: Rule, without: &[Rule]) {
        if !without.contains(&rule) {
            self.notes += 1;
            self.note = self.notes;
        }
    }

    fn gives_lease(&self, without: &[Rule]) -> bool {
        let is_held = self.holds.contains(&true) && !without.contains(&LeaseHeedsHolds);
        self.entry == Entry::Absent && !is_held
    }
}
