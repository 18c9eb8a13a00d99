//! The second look, and what is done about what it shows.

use anyhow::Context;
use shared::id::OrderId;
use shared::page::MAX_LIMIT;

use super::{Reconciler, Times, patiently};
use crate::audit::{Difference, Kind, Outcome, Remedy, of_order};
use crate::domain::Found;
use crate::inventory_client::NoOffer;

impl Reconciler {
    /// Keeps those differences that still show. What cannot pass by itself is not looked at again:
    /// what somebody wrote wrongly stays wrong.
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
            let found = patiently(read).await.context("the store of payments cannot be read")?;
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

    /// Repairs what is safe to repair. Answers whether there was anything.
    pub(super) async fn repair(
        &self,
        times: Times,
        differences: &[Difference],
    ) -> anyhow::Result<bool> {
        let mut any = false;
        for difference in differences {
            let (Some(remedy), Some(order)) = (remedy(times, difference), difference.order_id)
            else {
                continue;
            };
            any = true;
            match remedy {
                Remedy::EmitAgain => {
                    let emit = || self.store.emit_again(order);
                    patiently(emit).await.context("the store of payments cannot be written")?;
                }
                Remedy::Release => self.release(order, difference).await?,
            }
        }
        Ok(any)
    }

    async fn release(&self, order: OrderId, difference: &Difference) -> anyhow::Result<()> {
        let Some(product) = difference.product_id else {
            return Ok(());
        };
        let release = || self.inventory.release(order, product, &self.context);
        match patiently(release).await {
            // It says no, which the next look shows.
            Ok(_) | Err(NoOffer::NotFound | NoOffer::Nonsense(_)) => Ok(()),
            Err(error) => Err(error).context("inventory cannot be asked"),
        }
    }
}

/// What is to be done about a difference now.
pub(super) fn remedy(times: Times, difference: &Difference) -> Option<Remedy> {
    let remedy = difference.kind.remedy()?;
    let orphan = difference.kind == Kind::UnknownOrder;
    let minted_at = difference.order_id.and_then(|id| id.minted_at());
    let ripe = !orphan || minted_at.is_some_and(|minted_at| minted_at < times.orphaned);
    ripe.then_some(remedy)
}

/// Whether a difference may be gone at a second look: because the order was on its way, or because
/// it was repaired.
fn may_pass(difference: &Difference) -> bool {
    difference.kind == Kind::Overdue || difference.kind.remedy().is_some()
}

/// What shows of a difference now.
fn now(before: &Difference, found: &Found, outcome: Outcome, times: Times) -> Option<Difference> {
    match (before.kind, found) {
        (Kind::UnknownOrder, Found::Missing) => {
            matches!(outcome, Outcome::Applied(_)).then(|| before.clone())
        }
        (Kind::UnknownOrder, _) => None,
        (_, Found::Order(order)) => {
            of_order(order, outcome, times.settled).into_iter().find(may_pass)
        }
        (_, Found::Damaged(_) | Found::Missing) => Some(before.clone()),
    }
}
