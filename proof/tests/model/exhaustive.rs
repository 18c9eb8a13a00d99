//! Explores all histories of a small system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::peace::verdict;
use crate::properties::broken;
use crate::rules::{Profile, Rules};
use crate::stream::Time;
use crate::world::{Action, START, Size, World};

/// Threads that explore in parallel.
const THREADS: usize = 2;

/// A small system, and what may happen to it beside its own steps.
#[derive(Clone)]
pub(crate) struct Small {
    pub(crate) name: &'static str,
    pub(crate) rules: Arc<Rules>,
    pub(crate) size: Size,
    /// The number of clients whose orders were placed and answered before the history begins.
    pub(crate) placed: usize,
    /// How many ticks the clocks may advance.
    pub(crate) ticks: Time,
    pub(crate) extras: Vec<Extra>,
}

/// Actions of which some may happen at any instant.
#[derive(Clone)]
pub(crate) struct Extra {
    pub(crate) any_of: Vec<Action>,
    pub(crate) times: u8,
}

/// A state, and how often each extra may still happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Situation {
    world: World,
    left: Vec<u8>,
}

/// The next step: one of the system itself, or an extra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Own(Action),
    Extra(usize, Action),
}

/// The result of an exploration.
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) took: Duration,
    pub(crate) complete: bool,
    /// The rule that does not hold, and the steps that lead there.
    pub(crate) failure: Option<(String, Vec<Next>)>,
}

impl Small {
    /// Explores every history until `patience` is over.
    pub(crate) fn explore(self, patience: Duration) -> Explored {
        let begun = Instant::now();
        let rules = Arc::clone(&self.rules);
        let checker = self.checker().threads(THREADS).timeout(patience);
        let checker = checker
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        let failure = checker.discoveries().into_values().next().map(|path| {
            let world = path.last_state().world.clone();
            let rule = broken(&world, &rules).or_else(|| verdict(world, &rules));
            (rule.unwrap_or_default().to_owned(), path.into_actions())
        });
        Explored {
            states: checker.unique_state_count(),
            took: begun.elapsed(),
            complete: begun.elapsed() < patience,
            failure,
        }
    }
}

impl Model for Small {
    type State = Situation;
    type Action = Next;

    fn init_states(&self) -> Vec<Situation> {
        let mut world = World::new(&self.size, &self.rules);
        for consumer in 0..world.consumers.len() {
            // All consumers have started, and wait for entries.
            while world.step(consumer, &self.rules) {}
        }
        for client in 0..self.placed {
            world.post(client, true, &self.rules);
        }
        vec![Situation {
            world,
            left: self.extras.iter().map(|extra| extra.times).collect(),
        }]
    }

    fn actions(&self, state: &Situation, actions: &mut Vec<Next>) {
        actions.push(Next::Own(Action::Complete));
        if state.world.payments.clock < START + self.ticks {
            actions.push(Next::Own(Action::Tick));
        }
        for consumer in 0..state.world.consumers.len() {
            let own = [Action::Step { consumer }, Action::Advance { consumer }];
            actions.extend(own.map(Next::Own));
            if self.rules.profile != Profile::Durable {
                actions.push(Next::Own(Action::Look { consumer }));
            }
        }
        for (n, extra) in self
            .extras
            .iter()
            .enumerate()
            .filter(|(n, _)| state.left[*n] > 0)
        {
            actions.extend(extra.any_of.iter().map(|action| Next::Extra(n, *action)));
        }
    }

    fn next_state(&self, state: &Situation, next: Next) -> Option<Situation> {
        let mut after = state.clone();
        let action = match next {
            Next::Own(action) => action,
            Next::Extra(n, action) => {
                after.left[n] -= 1;
                action
            }
        };
        after.world.take(action, &self.rules).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "every rule holds at every instant",
                |small: &Self, state: &Situation| broken(&state.world, &small.rules).is_none(),
            ),
            Property::always(
                "after the last fault the system comes to rest and the stores agree",
                |small: &Self, state: &Situation| {
                    verdict(state.world.clone(), &small.rules).is_none()
                },
            ),
        ]
    }
}
