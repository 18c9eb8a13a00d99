//! The second look at differences, and their repair.

use std::error::Error;

use anyhow::Context;
use shared::contract::id::OrderId;
use shared::http::page::MAX_LIMIT;

use super::patience::Transient;
use super::steps::{Step, in_steps};
use super::{REPAIRS_AT_ONCE, Reconciler, Times, patiently};
use crate::audit::{Difference, Kind, Remedy, compare_order};
use crate::domain::{Found, OrderRecord};

/// How the repair of one difference went.
enum Attempt {
    /// It was made. A second look shows whether the difference is gone.
    Made,
    /// The difference is gone.
    Done,
    /// It was refused, and would be refused again, for this reason.
    Refused(String),
}

impl Reconciler {
    /// Keeps the differences that still show. A difference that cannot pass by itself is kept
    /// without a look: a wrong record stays wrong.
    pub(super) async fn look_again(
        &self,
        times: Times,
        differences: &mut Vec<Difference>,
    ) -> anyhow::Result<()> {
        let (passing, mut kept): (Vec<_>, Vec<_>) =
            std::mem::take(differences).into_iter().partition(may_pass);
        for batch in passing.chunks(MAX_LIMIT) {
            let ids: Vec<OrderId> = batch.iter().filter_map(|found| found.order_id).collect();
            let read = || self.store.find_records(&ids);
            let found = patiently(read)
                .await
                .context("the store of payments cannot be read")?;
            let orders: Vec<(OrderId, Found)> = ids.into_iter().zip(found).collect();
            let outcomes = self.outcomes(&orders).await?;
            for ((before, (_, found)), outcome) in batch.iter().zip(orders).zip(outcomes) {
                kept.extend(now(before, &found, outcome, times));
            }
        }
        kept.sort_by(|a, b| {
            (a.kind, a.order_id, a.product_id).cmp(&(b.kind, b.order_id, b.product_id))
        });
        *differences = kept;
        Ok(())
    }

    /// Repairs these differences, in steps. Answers what remains of them. The detail of a difference
    /// says so if its repair was refused.
    pub(super) async fn repair(
        &self,
        times: Times,
        repairs: &[Difference],
    ) -> anyhow::Result<Vec<Difference>> {
        let repair = async |step: &[Difference]| {
            let (mut left, mut refused) = (Vec::new(), Vec::new());
            for difference in step {
                match self.repair_one(times, difference).await? {
                    Attempt::Made => left.push(difference.clone()),
                    Attempt::Done => {}
                    Attempt::Refused(why) => refused.push(difference.not_repaired(&why)),
                }
            }
            Ok(Step { left, refused })
        };
        let wait_for_repairs = async |left: &mut Vec<Difference>, most_left: usize| {
            self.wait_for_repairs(times, left, most_left).await
        };
        in_steps(repairs, REPAIRS_AT_ONCE, repair, wait_for_repairs).await
    }

    async fn repair_one(&self, times: Times, difference: &Difference) -> anyhow::Result<Attempt> {
        let (Some(remedy), Some(order)) = (remedy(times, difference), difference.order_id) else {
            return Ok(Attempt::Made);
        };
        let (inventory, context) = (&self.inventory, &self.context);
        match (remedy, difference.product_id, difference.movement) {
            (Remedy::EmitAgain, ..) => {
                let emit = || self.store.emit_again(order);
                let emitted = patiently(emit).await.map(|_| Attempt::Made);
                Attempt::of(emitted, "the store of payments cannot be written")
            }
            (Remedy::Release, Some(product), _) => {
                let release = || inventory.release(order, product, context);
                let released = patiently(release).await.map(|_| Attempt::Made);
                Attempt::of(released, "inventory cannot be asked")
            }
            (Remedy::ReleaseSurplus, Some(product), Some(movement)) => {
                let release = || inventory.release_surplus(order, product, movement, context);
                let released = patiently(release).await.map(|is_given_back| {
                    // A second look could show it only with the whole ledger.
                    if is_given_back {
                        Attempt::Done
                    } else {
                        Attempt::Made
                    }
                });
                Attempt::of(released, "inventory cannot be asked")
            }
            _ => Ok(Attempt::Made),
        }
    }
}

impl Attempt {
    /// An error that is about this repair alone is a refusal. Any other error ends the run.
    fn of<E>(attempt: Result<Self, E>, trouble: &'static str) -> anyhow::Result<Self>
    where
        E: Transient + Error + Send + Sync + 'static,
    {
        match attempt {
            Err(error) if error.is_about_question() => Ok(Self::Refused(error.to_string())),
            attempt => attempt.context(trouble),
        }
    }
}

/// The remedy of a difference, if it is safe now.
pub(super) fn remedy(times: Times, difference: &Difference) -> Option<Remedy> {
    let minted_at = difference.order_id.and_then(|id| id.minted_at());
    let safe = match difference.kind {
        Kind::UnknownOrder => minted_at.is_some_and(|minted_at| minted_at < times.orphaned),
        Kind::NoOutcome => minted_at.is_some_and(|minted_at| minted_at >= times.remembered),
        _ => true,
    };
    difference.kind.remedy().filter(|_| safe)
}

/// Whether a difference may be gone at a second look: because the order was on its way, or because
/// it was repaired.
pub(super) fn may_pass(difference: &Difference) -> bool {
    let remedy = difference.kind.remedy();
    difference.kind == Kind::Overdue || matches!(remedy, Some(Remedy::EmitAgain | Remedy::Release))
}

/// The difference as it shows now; `None` when it is gone.
fn now(
    before: &Difference,
    found: &Found,
    outcome: OrderRecord,
    times: Times,
) -> Option<Difference> {
    match (before.kind, found) {
        (Kind::UnknownOrder, Found::Missing) => {
            matches!(outcome, OrderRecord::Applied(_)).then(|| before.clone())
        }
        (Kind::UnknownOrder, _) => None,
        (_, Found::Order(order)) => compare_order(order, outcome, times.unchanged_since)
            .into_iter()
            .find(may_pass),
        (_, Found::Damaged(_) | Found::Missing) => Some(before.clone()),
    }
}

#[cfg(test)]
mod tests {
    use shared::contract::id::OrderId;
    use shared::contract::time::Timestamp;

    use super::*;

    #[test]
    fn what_may_be_forgotten_is_not_emitted_and_what_may_be_placed_is_not_released() {
        let id = OrderId::EXAMPLE;
        let minted_at = id.minted_at().unwrap();
        let at = |times: i64| {
            let at = minted_at.as_millis().checked_add_signed(times).unwrap();
            let at = Timestamp::from_millis(at);
            Times {
                unchanged_since: at,
                orphaned: at,
                remembered: at,
                since: None,
            }
        };
        let difference = |kind| {
            let detail = String::new();
            Difference {
                kind,
                order_id: Some(id),
                product_id: None,
                movement: None,
                detail,
            }
        };
        for (kind, before, after) in [
            (Kind::NoOutcome, Some(Remedy::EmitAgain), None),
            (Kind::UnknownOrder, None, Some(Remedy::Release)),
            (
                Kind::RefundMissing,
                Some(Remedy::EmitAgain),
                Some(Remedy::EmitAgain),
            ),
            (
                Kind::StockTaken,
                Some(Remedy::Release),
                Some(Remedy::Release),
            ),
            (
                Kind::SoldTwice,
                Some(Remedy::ReleaseSurplus),
                Some(Remedy::ReleaseSurplus),
            ),
            (Kind::WrongStock, None, None),
        ] {
            assert_eq!(remedy(at(-1), &difference(kind)), before, "{kind:?}");
            assert_eq!(remedy(at(1), &difference(kind)), after, "{kind:?}");
        }
    }
}
