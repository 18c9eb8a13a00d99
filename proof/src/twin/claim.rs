//! Claims to one effect for each idempotency key, as the functions of both services keep them.

use std::collections::BTreeMap;

use super::snapshot::{Kept, Snapshot};
use super::{Answer, Beginning, Rng};
use crate::invocation::Invocation;

/// So few keys, and requests that use one, that they meet.
const KEYS: usize = 4;
const REQUESTS: usize = 2;

/// An idempotency key, and which of the requests that use it this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub hash: String,
    /// The request.
    pub fingerprint: String,
}

/// What each key was used for, and answered.
pub struct Claims {
    beginning: Beginning,
    used: BTreeMap<(u64, String), (String, String)>,
    /// Whether today stands among the days with claims. Those from the beginning are of a build that
    /// kept no list.
    is_listed: bool,
}

impl Claim {
    /// Any claim, or none.
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
    /// Keys that were used yesterday, which count, and on the day before, which do not any more.
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

    /// What a key is answered that was used today or, if not, yesterday.
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

    /// Writes down what a request was answered that had an effect.
    pub fn remember(&mut self, claim: Option<&Claim>, answer: impl std::fmt::Display) {
        self.is_listed |= claim.is_some();
        self.remember_order(claim, answer);
    }

    /// The same for an order, whose claim is never looked for on other days.
    pub fn remember_order(&mut self, claim: Option<&Claim>, answer: impl std::fmt::Display) {
        if let Some(Claim { hash, fingerprint }) = claim {
            let key = (self.beginning.day, hash.clone());
            self.used
                .insert(key, (fingerprint.clone(), answer.to_string()));
        }
    }

    /// Adds the claims to what a store holds.
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
    /// Adds the claim: the last three arguments of a function that takes one.
    #[must_use]
    pub fn claim(self, beginning: &str, claim: Option<&Claim>) -> Self {
        self.arg(beginning)
            .arg(claim.map_or("", |claim| &claim.hash))
            .arg(claim.map_or("", |claim| &claim.fingerprint))
    }
}
