//! `LossWithinBound`: which acknowledged orders are lost, and when they had been acknowledged.

use super::promises::Placed;
use super::{Evidence, Finding, Rule};

/// `LossWithinBound`: every missing order was acknowledged at most `window_ms` before a crash that
/// lost the last writes of a store.
pub(super) fn within_bound(evidence: &Evidence<'_>, placed: &Placed<'_>) -> Finding {
    let mut finding = Finding::new(Rule::LossWithinBound);
    for (id, call) in placed.acknowledged() {
        let there = evidence.stores.orders.contains_key(id);
        finding.expect(there || evidence.may_be_lost(call), || {
            let at = call.ended.as_millis();
            format!(
                "order {id}, acknowledged at {at} ms, is lost; crashes: {:?}",
                evidence.declared.crashes
            )
        });
    }
    finding
}
