//! The claims of idempotency keys, as the functions of both services keep them.

use std::collections::BTreeMap;

use super::snapshot::{Kept, Snapshot};
use super::{Answer, Beginning, Rng};
use crate::invocation::Invocation;

/// The numbers of different keys and of different requests: small, so that histories repeat them.
const KEYS: usize = 4;
const REQUESTS: usize = 2;

/// An idempotency key, and the request that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The hash of the key.
    pub hash: String,
    /// The fingerprint of the request.
    pub fingerprint: String,
}

/// The claims of all keys: for each day and key, the request and its answer.
pub struct Claims {
    beginning: Beginning,
    used: BTreeMap<(u64, String), (String, String)>,
    /// Whether today is in the list of days with claims. The days of the claims at the beginning are
    /// not in it.
    is_listed: bool,
}

impl Claim {
    /// The claim of one key.
    pub fn example() -> Self {
        Self {
            hash: "key".to_owned(),
            fingerprint: "request".to_owned(),
        }
    }

    /// A random claim, or `None`.
    pub fn maybe(random: &mut Rng) -> Option<Self> {
        random.bool().then(|| Self::any(random))
    }

    fn any(random: &mut Rng) -> Self {
        Self {
            hash: format!("key-{}", random.usize(..KEYS)),
            fingerprint: format!("request-{}", random.usize(..REQUESTS)),
        }
    }
}

impl Claims {
    /// Claims of yesterday, which still hold, and of the day before yesterday, which do not.
    pub fn earlier(beginning: Beginning, random: &mut Rng) -> Self {
        let used = |_| {
            let Claim { hash, fingerprint } = Claim::any(random);
            let day = beginning.day - random.u64(1..=2);
            (
                (day, hash),
                (fingerprint, "as it was answered then".to_owned()),
            )
        };
        Self {
            beginning,
            used: (0..KEYS / 2).map(used).collect(),
            is_listed: false,
        }
    }

    /// The answer that a key repeats: the answer of today or else of yesterday.
    pub fn replay(&self, claim: Option<&Claim>) -> Option<Answer> {
        let Claim { hash, fingerprint } = claim?;
        let used = |day| self.used.get(&(day, hash.clone()));
        let (what, answer) = used(self.beginning.day).or_else(|| used(self.beginning.day - 1))?;
        Some(Answer::List(if what == fingerprint {
            vec![Answer::Number(2), Answer::Text(answer.clone())]
        } else {
            vec![Answer::Number(3)]
        }))
    }

    /// Adds the claim of a request that had an effect, with its answer.
    pub fn remember(&mut self, claim: Option<&Claim>, answer: impl std::fmt::Display) {
        self.is_listed |= claim.is_some();
        self.remember_order(claim, answer);
    }

    /// The same for an order. Its claim is looked for under today and yesterday only, so the day is
    /// not listed.
    pub fn remember_order(&mut self, claim: Option<&Claim>, answer: impl std::fmt::Display) {
        if let Some(Claim { hash, fingerprint }) = claim {
            let key = (self.beginning.day, hash.clone());
            self.used
                .insert(key, (fingerprint.clone(), answer.to_string()));
        }
    }

    /// Adds the claims to the content of a store.
    pub fn lay_out(&self, store: &mut Snapshot) {
        for ((day, hash), (what, answer)) in &self.used {
            let key = self.beginning.partition.key_of("idempotency", day);
            if let Kept::Hash(claims) = store.entry(key).or_insert(Kept::Hash(BTreeMap::new())) {
                claims.insert(hash.clone(), format!("{what} {answer}"));
            }
        }
        if self.is_listed {
            let day = self.beginning.day.to_string();
            let days = Kept::Sorted(BTreeMap::from([(day.clone(), day)]));
            store.insert(self.beginning.partition.key_of("idempotency", "days"), days);
        }
    }
}

impl Invocation {
    /// Adds the claim, which is the last three arguments of a function that takes a claim.
    #[must_use]
    pub fn claim(self, beginning: &str, claim: Option<&Claim>) -> Self {
        self.arg(beginning)
            .arg(claim.map_or("", |claim| &claim.hash))
            .arg(claim.map_or("", |claim| &claim.fingerprint))
    }
}
