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
    Hold(usize),
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
    /// The value in the database: how many writers have committed.
    database: u8,
    at: Vec<At>,
    /// How many processes may still die.
    deaths: u8,
}

/// The parts of the protocol, so that the test can leave one out.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// A fill checks that its lease still stands.
    checked_fill: bool,
    /// A writer places a hold before it writes.
    hold: bool,
    /// A writer leaves the hold of another writer.
    keep_other_hold: bool,
}

const ALL: Rules = Rules {
    checked_fill: true,
    hold: true,
    keep_other_hold: true,
};
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
            database: 0,
            at: vec![At::Start; KINDS.len()],
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
    fn next(&self, rules: Rules) -> Vec<Self> {
        let mut worlds = Vec::new();
        for (process, kind) in KINDS.into_iter().enumerate() {
            if self.at[process] == At::End {
                continue;
            }
            let mut world = self.clone();
            world.step(process, kind, rules);
            worlds.push(world);
            if self.deaths > 0 {
                let mut world = self.clone();
                world.at[process] = At::End;
                world.deaths -= 1;
                worlds.push(world);
            }
        }
        // A value may expire at any time, and a lease or a hold once its process has ended: it
        // stands longer than a statement may take. The cache may lose a lease earlier.
        let may_go = match self.entry {
            Entry::Hold(process) => self.at[process] == At::End,
            entry => entry != Entry::Absent,
        };
        if may_go {
            worlds.push(Self {
                entry: Entry::Absent,
                ..self.clone()
            });
        }
        worlds
    }

    fn step(&mut self, process: usize, kind: Kind, rules: Rules) {
        let at = self.at[process];
        self.at[process] = match (kind, at) {
            (Kind::Reader, At::Start) if self.entry == Entry::Absent => {
                self.entry = Entry::Lease(process);
                At::Leased
            }
            (Kind::Reader, At::Leased) => At::Read(self.database),
            (Kind::Reader, At::Read(value)) => {
                if self.entry == Entry::Lease(process) || !rules.checked_fill {
                    self.entry = Entry::Value(value);
                }
                At::End
            }
            (Kind::Writer, At::Start) => {
                if rules.hold {
                    self.entry = Entry::Hold(process);
                }
                At::Held
            }
            (Kind::Writer, At::Held) => {
                self.database += 1;
                At::Committed
            }
            (Kind::Writer, At::Committed) => {
                let other = matches!(self.entry, Entry::Hold(holder) if holder != process);
                if !(other && rules.keep_other_hold) {
                    self.entry = Entry::Absent;
                }
                At::End
            }
            // A reader that finds an entry uses it, or asks the database without storing.
            _ => At::End,
        };
    }
}

/// The number of worlds, or a world that has an old value.
fn explore(rules: Rules) -> Result<usize, World> {
    let (mut seen, mut open) = (HashSet::new(), vec![World::start()]);
    while let Some(world) = open.pop() {
        if !world.is_good() {
            return Err(world);
        }
        if seen.insert(world.clone()) {
            open.extend(world.next(rules));
        }
    }
    Ok(seen.len())
}

#[test]
fn no_interleaving_leaves_an_old_value() {
    let worlds = explore(ALL).unwrap();
    assert!(
        worlds > 5_000,
        "{worlds} worlds are too few to mean anything"
    );
}

#[test]
fn each_rule_is_needed() {
    let faults = [
        Rules {
            checked_fill: false,
            ..ALL
        },
        Rules { hold: false, ..ALL },
        Rules {
            keep_other_hold: false,
            ..ALL
        },
    ];
    for rules in faults {
        assert!(explore(rules).is_err(), "{rules:?} would do");
    }
}
