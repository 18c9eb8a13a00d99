//! All interleavings of a few readers and writers of one record, in a model of the protocol.
//!
//! A step of a process is one command to the cache or one statement. Between any two steps every
//! other process may make its own, any process may die, and the cache may lose the entry. The
//! property: an entry holds an older value than the database only while a writer that has committed
//! is about to remove the entry.

use std::collections::HashSet;

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
    /// A writer has committed.
    Committed,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reader,
    Writer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    entry: Entry,
    /// The holds of the writers.
    holds: [bool; KINDS.len()],
    /// The value in the database: how many writers have committed.
    database: u8,
    at: [At; KINDS.len()],
    /// How many processes may still die.
    deaths: u8,
}

/// A part of the protocol, so that the test can leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A fill checks that its lease still stands.
    CheckedFill,
    /// A reader gets no lease while a hold stands.
    LeaseHeedsHolds,
    /// A writer removes the entry before it writes.
    RemovesBefore,
    /// A writer removes the entry after its commit.
    RemovesAfter,
}

use Rule::{CheckedFill, LeaseHeedsHolds, RemovesAfter, RemovesBefore};

const KINDS: [Kind; 5] = [
    Kind::Reader,
    Kind::Reader,
    Kind::Writer,
    Kind::Writer,
    Kind::Writer,
];

impl World {
    fn start() -> Self {
        Self {
            entry: Entry::Absent,
            holds: [false; KINDS.len()],
            database: 0,
            at: [At::Start; KINDS.len()],
            deaths: 2,
        }
    }

    /// Whether the entry is as new as the database, or is about to be removed.
    fn is_good(&self) -> bool {
        match self.entry {
            Entry::Value(value) => value == self.database || self.at.contains(&At::Committed),
            _ => true,
        }
    }

    /// Every world that one step leads to.
    fn next(&self, without: &[Rule]) -> Vec<Self> {
        let mut worlds = Vec::new();
        for (process, kind) in KINDS.into_iter().enumerate() {
            let mut world = self.clone();
            if self.at[process] == At::End {
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
        }
        // A value and a lease may expire at any time.
        worlds.push(Self {
            entry: Entry::Absent,
            ..self.clone()
        });
        worlds
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
            (Kind::Writer, At::Committed) => {
                self.holds[process] = false;
                if !without.contains(&RemovesAfter) {
                    self.entry = Entry::Absent;
                }
                At::End
            }
            // A reader that finds an entry or a hold stores nothing.
            _ => At::End,
        };
    }

    fn gives_lease(&self, without: &[Rule]) -> bool {
        let is_held = self.holds.contains(&true) && !without.contains(&LeaseHeedsHolds);
        self.entry == Entry::Absent && !is_held
    }
}

/// The number of worlds, or a world that has an old value.
fn explore(without: &[Rule]) -> Result<usize, World> {
    explore_from(World::start(), without)
}

fn explore_from(start: World, without: &[Rule]) -> Result<usize, World> {
    let (mut seen, mut open) = (HashSet::new(), vec![start]);
    while let Some(world) = open.pop() {
        if !world.is_good() {
            return Err(world);
        }
        if seen.insert(world.clone()) {
            open.extend(world.next(without));
        }
    }
    Ok(seen.len())
}

#[test]
fn no_interleaving_leaves_an_old_value() {
    let worlds = explore(&[]).unwrap();
    assert!(
        worlds > 5_000,
        "{worlds} worlds are too few to mean anything"
    );
}

/// The second removal is for a hold that could not be placed, so it is not among these.
#[test]
fn each_rule_is_needed() {
    for rule in [CheckedFill, LeaseHeedsHolds, RemovesBefore] {
        assert!(explore(&[rule]).is_err(), "{rule:?} is not needed");
    }
}

/// A writer that cannot reach the cache before it writes, and reaches it afterwards.
#[test]
fn without_holds_only_deaths_leave_an_old_value() {
    let start = World {
        deaths: 0,
        ..World::start()
    };
    let mut without = vec![LeaseHeedsHolds, RemovesBefore];
    assert!(explore_from(start.clone(), &without).is_ok());
    without.push(RemovesAfter);
    assert!(explore_from(start, &without).is_err());
}
