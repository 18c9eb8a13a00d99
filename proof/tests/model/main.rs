//! The protocol as a model: what the services, their Redis Functions and their stores do, one step
//! at a time. The model shares no code with them.
//!
//! It has these parts:
//!
//! * two stores, each with a copy that may be behind: [`store`],
//! * a stream in each store, with its group: [`stream`],
//! * the functions that change the stores: [`payments`], [`inventory`],
//! * the processes that call the functions, and the clients: [`clients`], [`consumer`],
//!   [`checkpoint`], [`replay`], [`role`],
//! * the faults at any instant: [`faults`],
//! * the rules that must hold: [`properties`]; and how a history has to end after its last fault,
//!   with what `reconcile` repairs: [`peace`].
//!
//! Small systems are explored completely: [`small`], [`exhaustive`]. Large systems are tried by
//! random histories: [`histories`]. They also have to find the mistakes of [`planted`]; a model
//! that cannot find them would prove nothing.
//!
//! The model has no batches: a function takes one order. It has no partitions, because each of them
//! is a system like this one. It also leaves out entries that are no events, limits of attempts, and
//! the removal of old records.
//!
//! `MODEL_SEEDS` and `MODEL_STEPS` make more and longer histories. `MODEL_SEED` runs one history
//! again, shortened to the steps that show the failure. `MODEL_LARGE` explores the larger systems,
//! which takes many minutes. `--nocapture` shows figures.

#![expect(clippy::print_stdout, reason = "the figures of a run are its result")]

mod checkpoint;
mod clients;
mod consumer;
mod exhaustive;
mod faults;
mod gate;
mod histories;
mod inventory;
mod large;
mod payments;
mod peace;
mod planted;
mod properties;
mod reading;
mod replay;
mod role;
mod rules;
mod small;
mod store;
mod stream;
mod world;

use std::fmt::{Debug, Write};
use std::time::{Duration, Instant};

use crate::histories::History;
use crate::planted::PLANTED;
use crate::rules::{SIGHTS, Sightings};

/// The number of random histories, and of the steps that each tries to take.
const SEEDS: u64 = 1_000;
const STEPS: u64 = 500;
/// The number of histories in which a planted bug has to show.
const PLANTED_SEEDS: u64 = 4_000;
/// The limit of one exploration of a small system, and of a large one.
const PATIENCE: Duration = Duration::from_mins(2);
const LARGE_PATIENCE: Duration = Duration::from_mins(30);

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told how much to do, not configured"
)]
fn told(name: &str) -> Option<u64> {
    let number = std::env::var(name).ok()?;
    Some(
        number
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {number}")),
    )
}

fn story<T: Debug>(steps: &[T]) -> String {
    steps.iter().fold(String::new(), |mut story, step| {
        let _ = writeln!(story, "  {step:?}");
        story
    })
}

/// A failed history as text, without the steps that the failure does not need.
fn tell(seed: u64, mut history: History) -> String {
    history.shorten();
    let rule = history.failure.unwrap_or("every rule holds");
    let (profile, size) = (history.rules.profile, &history.size);
    format!(
        "MODEL_SEED={seed} ({profile:?}): {rule}\n{size:?}\n{}",
        story(&history.steps)
    )
}

#[test]
fn every_history_of_a_small_system_keeps_every_rule_and_ends_in_agreement() {
    let large = told("MODEL_LARGE").is_some();
    let (systems, patience) = if large {
        (large::large_systems(), LARGE_PATIENCE)
    } else {
        (small::systems(), PATIENCE)
    };
    let (begun, mut states) = (Instant::now(), 0);
    for system in systems {
        let name = system.name;
        let explored = system.explore(patience);
        println!(
            "{name}: {} states in {:.1?}",
            explored.states, explored.took
        );
        if let Some((rule, path)) = explored.failure {
            panic!("{name}: {rule}\n{}", story(&path));
        }
        assert!(
            explored.complete,
            "{name}: not explored within {patience:?}"
        );
        states += explored.states;
    }
    println!("explored {states} states in {:.1?}", begun.elapsed());
}

#[test]
fn random_histories_keep_every_rule_and_end_in_agreement() {
    let steps = usize::try_from(told("MODEL_STEPS").unwrap_or(STEPS)).unwrap();
    let seeds = match told("MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..told("MODEL_SEEDS").unwrap_or(SEEDS),
    };
    let (begun, count, mut states) = (Instant::now(), seeds.end - seeds.start, 0);
    let seen = Sightings::default();
    for seed in seeds {
        let history = histories::run(seed, steps, None);
        assert!(history.failure.is_none(), "{}", tell(seed, history));
        states += history.steps.len();
        seen.add(&history.rules.seen);
    }
    let took = begun.elapsed();
    println!("{count} seeds x {steps} steps: {states} states checked in {took:.1?}");
    for sight in SIGHTS {
        println!("  {sight:?}: {}", seen.of(sight));
        // A run without these events would prove nothing.
        assert!(
            count < SEEDS || seen.of(sight) >= SEEDS / 100,
            "{sight:?} was hardly seen"
        );
    }
}

#[test]
fn every_planted_bug_makes_the_model_fail() {
    let steps = usize::try_from(STEPS).unwrap();
    for planted in PLANTED {
        let begun = Instant::now();
        if let Some(system) = small::system_for(planted) {
            let clean = system.without_bug().explore(PATIENCE);
            assert!(
                clean.complete && clean.failure.is_none(),
                "{planted:?}: {:?}",
                clean.failure
            );
            let explored = system.explore(PATIENCE);
            let (rule, _) = explored
                .failure
                .unwrap_or_else(|| panic!("{planted:?} not noticed"));
            println!("{planted:?}: after {:.1?}: {rule}", explored.took);
            continue;
        }
        let found = (0..PLANTED_SEEDS).find_map(|seed| {
            let history = histories::run(seed, steps, Some(planted));
            history.failure.map(|rule| (seed, rule))
        });
        let (seed, rule) = found.unwrap_or_else(|| panic!("{planted:?} was not noticed"));
        println!(
            "{planted:?}: seed {seed} after {:.1?}: {rule}",
            begun.elapsed()
        );
        // The same history without the bug keeps every rule.
        let clean = histories::run(seed, steps, None);
        assert!(clean.failure.is_none(), "{}", tell(seed, clean));
    }
}
