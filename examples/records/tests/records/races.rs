//! All interleavings of a few readers and writers of one record, in a model of the protocol.
//!
//! A step of a process is one command to the cache or one statement. Between any two steps every
//! other process may make its own, any process may die, a command of a writer may not reach the
//! cache, and the cache may lose the entry, or the entry with all holds. The property: an entry holds
//! an older value than the database only while the removal of the entry is certain: a writer that has
//! committed is about to make it, or a note in the database asks for it.

use std::collections::HashSet;

use world::{
    CheckedFill, ForgetsByNumber, LeaseHeedsHolds, NotesUnheld, NotesUnreleased, RemovesAfter,
    RemovesBefore, Rule, World,
};

mod world;

/// The number of worlds, or a world that has an old value.
fn explore(start: World, without: &[Rule]) -> Result<usize, World> {
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
    for start in [
        World::with_misses(),
        World::with_deaths(),
        World::with_losses(),
    ] {
        let worlds = explore(start, &[]).unwrap();
        assert!(
            worlds > 5_000,
            "{worlds} worlds are too few to mean anything"
        );
    }
}

#[test]
fn each_rule_is_needed() {
    let starts: [fn() -> World; 3] = [World::with_misses, World::with_deaths, World::with_losses];
    for rule in [
        CheckedFill,
        LeaseHeedsHolds,
        RemovesBefore,
        RemovesAfter,
        NotesUnheld,
        NotesUnreleased,
        ForgetsByNumber,
    ] {
        let is_needed = starts
            .iter()
            .any(|start| explore(start(), &[rule]).is_err());
        assert!(is_needed, "{rule:?} is not needed");
    }
}

/// What the protocol does not cover: the cache loses the hold of a writer that dies after its commit.
#[test]
fn a_loss_and_a_death_together_leave_an_old_value() {
    assert!(explore(World::with_losses_and_deaths(), &[]).is_err());
}
