//! The protocol, as a model.

mod clients;
mod consumer;
mod exhaustive;
mod faults;
mod histories;
mod inventory;
mod payments;
mod peace;
mod planted;
mod properties;
mod rewind;
mod rules;
mod small;
mod store;
mod stream;
mod world;

use std::time::Instant;

#[test]
fn random_histories() {
    let begun = Instant::now();
    let (mut states, mut fails) = (0, 0);
    let seeds: u64 = std::env::var("MODEL_SEEDS").unwrap_or("1000".into()).parse().unwrap();
    let from: u64 = std::env::var("MODEL_SEED").unwrap_or("0".into()).parse().unwrap();
    for seed in from..from + seeds {
        let mut history = histories::run(seed, 1000, None);
        states += history.steps.len();
        if let Some(rule) = history.failure {
            fails += 1;
            if fails < 6 {
                history.shorten();
                println!("seed {seed} {:?}: {rule}, {:?}", history.rules.profile, history.size);
                for step in &history.steps {
                    println!("    {step:?}");
                }
            }
        }
    }
    println!("{states} states {fails} fails in {:?}", begun.elapsed());
}

#[test]
fn planted_bugs() {
    for planted in planted::PLANTED {
        let begun = Instant::now();
        let found = (0..2000).find_map(|seed| {
            let history = histories::run(seed, 500, Some(planted));
            history.failure.map(|rule| (seed, history.rules.profile, rule, history.steps.len()))
        });
        println!("{planted:?} {:?} {found:?}", begun.elapsed());
    }
}
#[test]
fn exhaustive_all() {
    for small in small::systems() {
        let name = small.name;
        let found = small.explore();
        println!("{name}: {} states, {:?} complete {}", found.states, found.took, found.complete);
        if let Some((rule, path)) = found.failure {
            println!("   FAILED {rule}");
            for next in path {
                println!("   {next:?}");
            }
        }
    }
}
