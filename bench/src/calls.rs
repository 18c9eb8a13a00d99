//! Which of the commands that a store counts came from clients.
//!
//! A store counts what a function does inside it like what a client asks for. Listening to it for a
//! while tells the two apart: a command that no function issues is a client's, always; of one that
//! both issue, the clients' share in the sample is taken.

use std::collections::BTreeMap;

use crate::monitor::Told;
use crate::number::float;
use crate::operator::Calls;

/// Orders that are listened to.
pub(crate) const CALLS_SAMPLED: u64 = 500;
/// What is asked about a server, not of it.
const NOT_WORK: [&str; 11] = [
    "auth", "client", "config", "hello", "info", "monitor", "ping", "select", "xinfo", "slowlog",
    "function",
];

/// For both stores: how many of a command came from clients, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Habits([BTreeMap<String, (u64, u64)>; 2]);

impl Habits {
    /// Learns from what each store was told.
    pub(crate) fn learn(stores: [&[Told]; 2]) -> Self {
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

    /// How many of these calls to the store of this number came from clients and were for work.
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
        let sample = [
            told("FCALL", false),
            told("hset", true),
            told("hget", true),
            told("HGET", false),
        ];
        let habits = Habits::learn([&sample, &[]]);
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
