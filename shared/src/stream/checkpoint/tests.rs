//! Random histories of two stores that lose their tails: no loss is seen where nothing was lost,
//! and every entry is acted on in the end.

mod stores;
mod world;

use proptest::prelude::*;
use world::World;

use super::agreement::judge;
use super::*;
use crate::contract::entry_id::extremes;

const HISTORIES: u64 = 1_000;
const STEPS: usize = 150;

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
            // No other loss happens in this history.
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
                // Settle everything, so that no entry stays pending until it would be trimmed.
                for round in 0..STEPS {
                    world.look(round % 2).unwrap();
                    world.read(round % 2);
                    world.settle(round % 2);
                }
                backup = Some(world.own.clone());
            }
        }
        world.own = backup.unwrap();
        world.incarnation += 1;
        world.crash(0);
        let is_lost = world.look(0).is_err();
        assert!(is_lost || !world.has_real_loss(), "seed {seed}");
        noticed += u64::from(is_lost);
        // The checkpoint is at most a minute behind. So entries that were acted on in that minute
        // may look lost.
        in_vain += u64::from(is_lost && !world.has_real_loss());
    }
    assert!(
        noticed > HISTORIES / 2 && in_vain < HISTORIES / 100,
        "{noticed}, {in_vain} in vain"
    );
}

prop_compose! {
    fn ids()(ms in extremes(), sequence in extremes()) -> EntryId {
        EntryId { ms, sequence }
    }
}

prop_compose! {
    fn recorded()(id in ids(), count in extremes(), open in ids(), earlier in ids()) -> Recorded {
        Recorded { id, count, open, earlier }
    }
}

prop_compose! {
    /// States that only a damaged stream can have, among others.
    fn states()(
        (length, added, pending) in (extremes(), extremes(), extremes()),
        (last, delivered, removed) in (ids(), ids(), ids()),
        first in proptest::option::of(ids()),
        read in proptest::option::of(extremes()),
        oldest_pending in proptest::option::of(ids()),
    ) -> StreamState {
        StreamState { length, added, first, last, delivered, read, pending, oldest_pending, removed }
    }
}

proptest! {
    #[test]
    fn numbers_of_a_damaged_store_are_compared_and_never_overflow(
        state in states(), recorded in recorded(), has in any::<bool>(), id in ids(),
    ) {
        prop_assert_eq!(recorded.to_string().parse(), Ok(recorded));
        let from = recorded.replay_from(state.delivered);
        prop_assert!(from <= recorded.id.min(recorded.open).min(state.delivered));
        let there = Recorded::at(id, &state);
        prop_assert!(there.id == id && there.open <= id);
        // A store whose checkpoint is up to date has lost nothing.
        let agreement = judge(&state, "order_completed", recorded, |_| has);
        if recorded.id == state.delivered {
            prop_assert_eq!(agreement, Agreement::Consistent);
        }
    }
}
