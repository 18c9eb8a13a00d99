//! Estimates how many of the commands that a store counted came from clients.
//!
//! A store also counts the commands that a function issues inside the store. A sample with
//! `MONITOR` tells the two apart. A command that no function issues always comes from a client. For
//! a command that both issue, the share of the clients in the sample is used.

use std::collections::BTreeMap;

use stack::number::float;

use crate::monitor::Told;
use crate::operator::Calls;

/// The number of orders in the sample.
pub(crate) const CALLS_SAMPLED: u64 = 500;
/// Commands that are not work of the system: they manage connections or inspect the server.
const NOT_WORK: [&str; 11] = [
    "auth", "client", "config", "hello", "info", "monitor", "ping", "select", "xinfo", "slowlog",
    "function",
];

/// For each store and each command of the sample: the number that came from clients, and the number
/// of all.
#[derive(Debug, Default)]
pub(crate) struct Habits([BTreeMap<String, (u64, u64)>; 2]);

impl Habits {
    /// Counts the commands in the sample of each store.
    pub(crate) fn learn(stores: &[Vec<Told>; 2]) -> Self {
        let mut habits = Self::default();
        for (habits, told) in habits.0.iter_mut().zip(stores) {
            for told in told {
                let (clients, all) = habits.entry(told.name().to_ascii_lowercase()).or_default();
                *clients += u64::from(!told.by_function);
                *all += 1;
            }
        }
        habits
    }

    /// The estimated number of these calls to a store that were work and came from clients.
    pub(crate) fn by_clients(&self, store: usize, calls: &Calls) -> f64 {
        let work = calls
            .iter()
            .filter(|(name, _)| !NOT_WORK.contains(&name.as_str()));
        work.map(|(name, &count)| float(count) * self.share(store, name))
            .sum()
    }

    fn share(&self, store: usize, name: &str) -> f64 {
        let seen = self.0.get(store).and_then(|habits| habits.get(name));
        seen.map_or(1.0, |(clients, all)| float(*clients) / float((*all).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, by_function: bool) -> Told {
        Told {
            at: 0,
            by_function,
            args: vec![name.as_bytes().to_vec()],
        }
    }

    #[test]
    fn what_functions_do_is_no_call_of_a_client() {
        let sample = vec![
            told("FCALL", false),
            told("hset", true),
            told("hget", true),
            told("HGET", false),
        ];
        let habits = Habits::learn(&[sample, Vec::new()]);
        let calls = |list: &[(&str, u64)]| {
            list.iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect::<Calls>()
        };
        let counted = calls(&[("fcall", 10), ("hset", 100), ("hget", 8), ("info", 7)]);
        assert!((habits.by_clients(0, &counted) - 14.0).abs() < 1e-9);
        // No monitor listened to the other store.
        assert!((habits.by_clients(1, &calls(&[("xack", 3)])) - 3.0).abs() < 1e-9);
    }
}
