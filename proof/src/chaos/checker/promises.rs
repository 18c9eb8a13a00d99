//! `AcknowledgedExists`, `StatusNeverGoesBack` and `NeverPaidEarly`: whether the answers that
//! clients got are true.

use std::collections::{HashMap, HashSet};

use super::{Evidence, Finding, Rule};
use crate::chaos::history::{Call, Op, Outcome};
use crate::chaos::load::note;

/// The calls that placed orders, by request and by intent.
pub(super) struct Placed<'a> {
    by_request: HashMap<&'a str, &'a Call>,
    /// The calls of an intent that were answered with an order.
    by_intent: HashMap<u32, Vec<&'a Call>>,
}

impl<'a> Placed<'a> {
    pub(super) fn of(calls: &'a [Call]) -> Self {
        let places = || calls.iter().filter(|call| call.op == Op::Place);
        let mut by_intent: HashMap<u32, Vec<&Call>> = HashMap::new();
        for call in places().filter(|call| call.outcome == Outcome::Ok) {
            by_intent.entry(call.intent).or_default().push(call);
        }
        Self {
            by_request: places().map(|call| (call.request.as_str(), call)).collect(),
            by_intent,
        }
    }

    /// The call with this request id.
    pub(super) fn request(&self, id: &str) -> Option<&'a Call> {
        self.by_request.get(id).copied()
    }

    /// Every order in an answer, with the call that was answered first.
    pub(super) fn acknowledged(&self) -> HashMap<&'a str, &'a Call> {
        let mut orders: HashMap<&str, &Call> = HashMap::new();
        for &call in self.by_intent.values().flatten() {
            let Some(order) = &call.order else { continue };
            let first = orders.entry(order.id.as_str()).or_insert(call);
            if call.ended < first.ended {
                *first = call;
            }
        }
        orders
    }
}

/// `AcknowledgedExists`: every acknowledged order exists, once for each idempotency key, with the
/// values of the answer.
pub(super) fn kept(evidence: &Evidence<'_>, placed: &Placed<'_>) -> Finding {
    let mut finding = Finding::new(Rule::AcknowledgedExists);
    for (id, call) in placed.acknowledged() {
        let there = evidence.stores.orders.contains_key(id) || evidence.may_be_lost(call);
        finding.expect(there, || {
            format!("order {id} was acknowledged and does not exist")
        });
    }
    one_for_each_key(evidence, placed, &mut finding);
    cancellations(evidence, &mut finding);
    shop(evidence, &mut finding);
    finding
}

fn one_for_each_key(evidence: &Evidence<'_>, placed: &Placed<'_>, finding: &mut Finding) {
    for (intent, calls) in &placed.by_intent {
        let orders = calls.iter().filter_map(|call| call.order.as_ref());
        let told: HashSet<(&str, &str)> = orders
            .map(|order| (order.id.as_str(), order.fixed.as_str()))
            .collect();
        let left = told
            .iter()
            .filter(|(id, _)| evidence.stores.orders.contains_key(*id))
            .count();
        // If a crash lost the idempotency key with its order, a repeated request makes a new order.
        let once = told.len() == 1 || (evidence.window_ms > 0 && left <= 1);
        finding.expect(once, || {
            format!("one key, several answers: intent {intent}: {told:?}")
        });
    }
    let mut orders: HashMap<u32, &str> = HashMap::new();
    for (id, order) in &evidence.stores.orders {
        // `NothingInvented` is about orders without a request.
        let Some(call) = placed.request(&order.request) else {
            continue;
        };
        finding.expect(call.outcome != Outcome::Fail, || {
            format!(
                "{} was answered {} and made order {id}",
                call.request, call.status
            )
        });
        let other = orders.insert(call.intent, id.as_str());
        finding.expect(other.is_none(), || {
            format!("intent {} made orders {id} and {other:?}", call.intent)
        });
    }
}

/// A confirmed cancellation stands, and no read or cancellation of an existing order gets 404.
fn cancellations(evidence: &Evidence<'_>, finding: &mut Finding) {
    for call in evidence.calls {
        let about_order = matches!(call.op, Op::Cancel | Op::Read);
        let Some(order) = evidence
            .stores
            .orders
            .get(&call.product)
            .filter(|_| about_order)
        else {
            continue;
        };
        let excused = evidence.may_be_lost(call);
        if call.op == Op::Cancel && call.outcome == Outcome::Ok {
            finding.expect(order.status == "cancelled" || excused, || {
                format!(
                    "order {} was cancelled and is {}",
                    call.product, order.status
                )
            });
        }
        finding.expect(call.status != 404, || {
            format!("order {} was not found", call.product)
        });
    }
}

/// The calls of the shop's owner: every confirmed change is in the ledger.
fn shop(evidence: &Evidence<'_>, finding: &mut Finding) {
    let mut notes: HashMap<&str, usize> = HashMap::new();
    for product in evidence.stores.products.values() {
        for note in product
            .movements
            .iter()
            .filter_map(|movement| movement.note.as_deref())
        {
            *notes.entry(note).or_default() += 1;
        }
    }
    let mut restocks: HashMap<u32, bool> = HashMap::new();
    for call in evidence.calls.iter().filter(|call| call.op == Op::Restock) {
        *restocks.entry(call.intent).or_default() |= call.outcome == Outcome::Ok;
    }
    for (intent, confirmed) in restocks {
        let times = notes
            .get(note(intent).as_str())
            .copied()
            .unwrap_or_default();
        let right = if confirmed { times == 1 } else { times <= 1 };
        finding.expect(right || evidence.window_ms > 0, || {
            format!("restock {intent} happened {times} times, confirmed: {confirmed}")
        });
    }
    for call in evidence
        .calls
        .iter()
        .filter(|call| call.outcome == Outcome::Ok)
    {
        let product = evidence.stores.products.get(&call.product);
        let right = match call.op {
            Op::Create => product.is_some(),
            Op::Delete => product.is_some_and(|product| product.deleted),
            Op::Count => notes.contains_key(note(call.intent).as_str()),
            _ => continue,
        };
        finding.expect(right || evidence.may_be_lost(call), || {
            format!(
                "{:?} of product {} was confirmed and did not happen",
                call.op, call.product
            )
        });
    }
}

/// A status of an order that a client saw.
struct Sight<'a> {
    status: &'a str,
    /// The call that was answered with the status; `None` for the final status in the store.
    call: Option<&'a Call>,
}

/// `StatusNeverGoesBack`: a status that was seen later is the same, or a later one.
pub(super) fn never_back(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::StatusNeverGoesBack);
    let mut sights: HashMap<&str, Vec<Sight<'_>>> = HashMap::new();
    for call in evidence.calls {
        let Some(order) = &call.order else { continue };
        // A repeated placement is answered with the order as it was placed.
        if matches!(call.op, Op::Read | Op::Cancel) {
            let sight = Sight {
                status: &order.status,
                call: Some(call),
            };
            sights.entry(order.id.as_str()).or_default().push(sight);
        }
    }
    for (id, mut seen) in sights {
        if let Some(order) = evidence.stores.orders.get(id) {
            seen.push(Sight {
                status: &order.status,
                call: None,
            });
        }
        for earlier in &seen {
            let Some(first) = earlier.call else { continue };
            // If two calls overlap, either answer may be the older one.
            let is_later = |later: &Call| later.invoked > first.ended;
            for later in seen.iter().filter(|later| later.call.is_none_or(is_later)) {
                let on = may_follow(earlier.status, later.status);
                finding.expect(on || evidence.may_be_lost(first), || {
                    format!(
                        "order {id} was {} and then {}",
                        earlier.status, later.status
                    )
                });
            }
        }
    }
    finding
}

/// An order that was paid at least this much before it was placed shows that the harness set the
/// clock of the store back in between, in milliseconds.
const SET_BACK_MS: i64 = 5_000;

fn may_follow(earlier: &str, later: &str) -> bool {
    earlier == later || earlier == "pending" || (earlier == "paid" && later == "refunded")
}

/// `NeverPaidEarly`: no order was paid before its delay, by the clock of the store. If the clock
/// was set back in between, its readings do not say how long the order waited. Such an order is
/// skipped.
pub(super) fn never_early(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::NeverPaidEarly);
    for (id, order) in &evidence.stores.orders {
        let Some(paid_at) = order.paid_at else {
            continue;
        };
        let waited = paid_at - order.created_at;
        if waited < -SET_BACK_MS {
            continue;
        }
        let delay = i64::try_from(evidence.delay_ms).unwrap_or(i64::MAX);
        finding.expect(waited >= delay, || {
            format!("order {id} was paid after {waited} ms")
        });
    }
    finding
}
