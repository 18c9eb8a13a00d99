//! Decides whether the promise held: compares the history of the clients with the final content of
//! both stores.
//!
//! The checker shares no code with the services: it reads keys and fields as ARCHITECTURE.md names
//! them. Each rule counts the facts that it checked. A rule that checked no fact has not held.
//!
//! - [`stores`] has the types for the content of the stores, [`read`] reads it, and [`decode`]
//!   parses keys, fields and lines.
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

/// The number of violations of a rule that are reported; the others are only counted.
const MOST_TOLD: usize = 5;

/// Everything that the checker compares.
pub(super) struct Evidence<'a> {
    pub(super) calls: &'a [Call],
    pub(super) stores: &'a Stores,
    pub(super) watch: &'a Seen,
    pub(super) declared: &'a Declared,
    /// How long an order stays pending, in milliseconds.
    pub(super) delay_ms: u64,
    /// The time before a crash, in milliseconds, whose acknowledged writes the crash may have lost.
    /// 0 if the stores may lose nothing.
    pub(super) window_ms: u64,
    /// Whether `reconcile` has already repaired the effects of entries that were trimmed unread.
    pub(super) reconciled: bool,
}

/// A rule that has to hold.
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
    /// The number of facts that were checked.
    pub(super) facts: usize,
    /// The first violations, for the report.
    pub(super) told: Vec<String>,
    /// The number of all violations.
    pub(super) violations: usize,
}

impl Rule {
    /// The rule as a sentence, for the report.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::StockFollowsLedger => {
                "stock and ledger agree at every instant, and no stock is negative"
            }
            Self::StockRecounts => "stock equals what was brought in, less what orders took",
            Self::MoneyIsExact => "each order is charged once, refunded at most once, to the cent",
            Self::StoresAgree => "both stores agree about every order, and none is pending",
            Self::AcknowledgedExists => "every acknowledged order exists, once for each key",
            Self::EffectsHappenOnce => "every effect happened exactly once",
            Self::NothingInvented => "nothing was invented: every effect has its request",
            Self::StatusNeverGoesBack => "no client saw a status go back",
            Self::NeverPaidEarly => "no order was paid before its delay",
            Self::NothingLeftOver => {
                "nothing is left over, and only planted poison became dead letters"
            }
            Self::NothingTrimmedUnread => "no entry was removed before a consumer acted on it",
            Self::LossWithinBound => {
                "every lost order was acknowledged within the bound before a crash"
            }
            Self::RecoversInTime => "the system was ready and drained in time, by itself",
            Self::ResourcesComeBack => {
                "memory stayed within its limit; memory, descriptors and threads are as before"
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

    /// True if at least one fact was checked and no violation was found.
    pub(super) fn holds(&self) -> bool {
        self.facts > 0 && self.violations == 0
    }

    /// Counts a fact, and a violation if the fact does not hold.
    pub(super) fn expect(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        self.facts += 1;
        if !holds {
            self.blame(violation());
        }
    }

    /// Adds the finding of another check of the same rule.
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

/// Checks the rules about data. `RecoversInTime` to `FiguresReached` are about the run itself, and
/// are checked in `run/judge.rs`.
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
    /// Whether a crash may have lost the effect of this call: the call was sent before the crash
    /// was over, and ended at most `window_ms` before the crash. A call may also end after the
    /// crash, because the last answers of a store may arrive after its end.
    fn may_be_lost(&self, call: &Call) -> bool {
        let window = Duration::from_millis(self.window_ms);
        self.window_ms > 0
            && self
                .declared
                .crashes
                .iter()
                .any(|crash| call.invoked <= crash.over && call.ended + window >= crash.at)
    }

    /// The orders whose `order_completed` or `refund_order` entry the harness trimmed. The value is
    /// true if an entry was trimmed before its group acknowledged it.
    fn orders_trimmed(&self) -> HashMap<&str, bool> {
        let mut orders = HashMap::new();
        for trimmed in &self.declared.trimmed {
            *orders.entry(trimmed.order.as_str()).or_default() |= trimmed.unread;
        }
        orders
    }
}
