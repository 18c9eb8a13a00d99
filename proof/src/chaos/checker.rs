//! Whether the promise held: the history of the clients against what both stores say in the end.
//!
//! This shares no code with the services: it reads keys and fields as ARCHITECTURE.md names them.
//! Each rule says how many facts it looked at; a rule that looked at none has not held.
//!
//! - [`stores`] is what lies in the stores, [`read`] how it gets here, [`decode`] what it means.
//! - [`stock`], [`money`], [`agreement`], [`promises`], [`drained`] and [`loss`] are the rules.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::history::Call;
use super::inject::Declared;
use super::watch::Seen;
use promises::Placed;
use stores::Stores;

pub(super) mod read;
pub(super) mod stores;

mod agreement;
mod decode;
mod drained;
mod loss;
mod money;
mod promises;
mod stock;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

/// Violations that are told; the rest is only counted.
const MOST_TOLD: usize = 5;

/// Everything the checker looks at.
pub(super) struct Evidence<'a> {
    pub(super) calls: &'a [Call],
    pub(super) stores: &'a Stores,
    pub(super) watch: &'a Seen,
    pub(super) declared: &'a Declared,
    /// How long an order stays pending, in milliseconds.
    pub(super) delay_ms: u64,
    /// How long before a crash something may have been acknowledged that the crash took with it, in
    /// milliseconds; 0 where nothing may be lost.
    pub(super) window_ms: u64,
    /// Whether what was trimmed unread has been repaired.
    pub(super) reconciled: bool,
}

/// Something that has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rule {
    StockFollowsLedger,
    StockRecounts,
    MoneyIsExact,
    StoresAgree,
    AcknowledgedExists,
    EffectsHappenOnce,
    NothingInvented,
    StatusNeverGoesBack,
    NeverPaidEarly,
    NothingLeftOver,
    NothingTrimmedUnread,
    LossWithinBound,
    RecoversInTime,
    ResourcesComeBack,
    FiguresReached,
}

/// What the checker found about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    /// How many facts it was held against.
    pub(super) facts: usize,
    /// The first violations.
    pub(super) told: Vec<String>,
    /// How many there are.
    pub(super) violations: usize,
}

impl Rule {
    /// What it says.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::StockFollowsLedger => {
                "stock and ledger agree at every instant, and no stock is negative"
            }
            Self::StockRecounts => "stock is what was brought in less what orders took",
            Self::MoneyIsExact => "each order is charged once, refunded at most once, to the cent",
            Self::StoresAgree => "both stores agree about every order, and none is pending",
            Self::AcknowledgedExists => "what was acknowledged exists, once for each key",
            Self::EffectsHappenOnce => "every effect happened exactly once",
            Self::NothingInvented => "nothing was invented: every effect has its request",
            Self::StatusNeverGoesBack => "no client saw a status go back",
            Self::NeverPaidEarly => "no order was paid before its delay",
            Self::NothingLeftOver => "nothing is left over, and only planted poison was set aside",
            Self::NothingTrimmedUnread => "no entry went that nobody had acted on",
            Self::LossWithinBound => {
                "what was lost was acknowledged within the bound before a crash"
            }
            Self::RecoversInTime => "ready and drained in time, by itself",
            Self::ResourcesComeBack => {
                "memory within its limit, and like descriptors, threads and connections as before"
            }
            Self::FiguresReached => "every planned figure was reached",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Finding {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            facts: 0,
            told: Vec::new(),
            violations: 0,
        }
    }

    /// Whether it was looked at, and nothing was found against it.
    pub(super) fn holds(&self) -> bool {
        self.facts > 0 && self.violations == 0
    }

    /// Counts a fact, and tells about it when it is not as it must be.
    pub(super) fn expect(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        self.facts += 1;
        if !holds {
            self.blame(violation());
        }
    }

    /// Takes what another look at the same rule found.
    pub(super) fn add(&mut self, other: Self) {
        self.facts += other.facts;
        self.violations += other.violations;
        let room = MOST_TOLD.saturating_sub(self.told.len());
        self.told.extend(other.told.into_iter().take(room));
    }

    pub(super) fn blame(&mut self, violation: String) {
        self.violations += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(violation);
        }
    }
}

/// Holds everything against the rules about data; `RecoversInTime` to `FiguresReached` are about the run itself.
pub(super) fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let placed = Placed::of(evidence.calls);
    vec![
        stock::ledgers(evidence),
        stock::recount(evidence),
        money::check(evidence),
        agreement::of_stores(evidence),
        promises::kept(evidence, &placed),
        agreement::exactly_once(evidence),
        agreement::nothing_invented(evidence, &placed),
        promises::never_back(evidence),
        promises::never_early(evidence),
        drained::empty(evidence),
        drained::nothing_trimmed(evidence),
        loss::within_bound(evidence, &placed),
    ]
}

impl Evidence<'_> {
    /// Whether what this call did may have gone with a crash: it was done before the crash, and
    /// acknowledged not long before it. The last answers of a store may arrive after its end.
    fn may_be_lost(&self, call: &Call) -> bool {
        let window = Duration::from_millis(self.window_ms);
        self.window_ms > 0
            && self
                .declared
                .crashes
                .iter()
                .any(|crash| call.invoked <= crash.over && call.ended + window >= crash.at)
    }

    /// Orders whose event, or refund, was removed before anybody acted on it.
    fn orders_trimmed(&self) -> HashMap<&str, bool> {
        let mut orders = HashMap::new();
        for trimmed in &self.declared.trimmed {
            *orders.entry(trimmed.order.as_str()).or_default() |= trimmed.unread;
        }
        orders
    }
}
