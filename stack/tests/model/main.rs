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
mod rules;
mod store;
mod stream;
mod world;

use std::time::Instant;

#[test]
fn random_histories() {
    let begun = Instant::now();
    let mut states = 0;
    let mut fails = 0;
    for seed in 0..1000 {
        let history = histories::run(seed, 500, None);
        states += history.states;
        if let Some((rule, steps)) = history.failure {
            fails += 1;
            if fails < 6 {
                println!("seed {seed} {:?}: {rule}, {} steps", history.rules.profile, steps.len());
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
            history.failure.map(|(rule, steps)| (seed, history.rules.profile, rule, steps.len()))
        });
        println!("{planted:?} {:?} {found:?}", begun.elapsed());
    }
}
