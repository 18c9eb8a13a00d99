//! Both passes: from the orders of payments to the records of inventory, and from the ledgers of
//! inventory back to the orders.

use anyhow::Context;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use shared::contract::id::{OrderId, ProductId};
use shared::http::page::MAX_LIMIT;
use shared::store::index::Scanned;
use shared::store::partition::Partition;

use super::findings::Findings;
use super::{Reconciler, Times, patiently};
use crate::audit::{Difference, Ledger, Returns, Sale, Totals, compare_record, compare_sale};
use crate::domain::{Found, OrderRecord, OrderStatus};
use crate::inventory_client::{Cause, LedgerEntry, Page, Stock};
use crate::store::Position;

/// What happened in a ledger after the movement that is looked at.
#[derive(Default)]
struct History {
    returns: Returns,
    counted: bool,
}

type Records = Scanned<(OrderId, Found), Position>;

/// Ledgers that are read at once.
const LEDGERS_AT_ONCE: usize = 8;
/// How often a product that sells while it is read is read again.
const MAX_LOOKS: usize = 5;

impl Reconciler {
    /// Compares every order with what inventory recorded of it. While one page is compared, the
    /// next is read.
    pub(super) async fn compare_orders(
        &self,
        times: Times,
        totals: &mut Totals<Partition>,
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let partitions = self.store.own.partitions();
        let mut page = self.records(times, None).await?;
        loop {
            let following = async {
                match page.next {
                    Some(next) => self.records(times, Some(next)).await.map(Some),
                    None => Ok(None),
                }
            };
            let (outcomes, following) = tokio::join!(self.outcomes(&page.items), following);
            for ((id, found), outcome) in page.items.into_iter().zip(outcomes?) {
                findings.orders += 1;
                if let Found::Order(order) = &found {
                    totals.add(&partitions.of(id), order);
                }
                for difference in compare_record(id, &found, outcome, times.unchanged_since) {
                    findings.add(difference);
                }
            }
            match following? {
                Some(following) => page = following,
                None => return Ok(()),
            }
        }
    }

    /// Adds all orders up once more, beside accounts that are read anew.
    pub(super) async fn recount(&self) -> anyhow::Result<Totals<Partition>> {
        let partitions = self.store.own.partitions();
        let (mut totals, mut position) = (self.totals().await?, None);
        loop {
            let read = || self.store.list_records(None, position, MAX_LIMIT);
            let page = patiently(read)
                .await
                .context("the store of payments cannot be read")?;
            for (id, found) in &page.items {
                if let Found::Order(order) = found {
                    totals.add(&partitions.of(*id), order);
                }
            }
            match page.next {
                None => return Ok(totals),
                next => position = next,
            }
        }
    }

    async fn records(&self, times: Times, position: Option<Position>) -> anyhow::Result<Records> {
        let read = || self.store.list_records(times.since, position, MAX_LIMIT);
        patiently(read)
            .await
            .context("the store of payments cannot be read")
    }

    /// The records of these orders. inventory is not asked about a pending order.
    pub(super) async fn outcomes(
        &self,
        orders: &[(OrderId, Found)],
    ) -> anyhow::Result<Vec<OrderRecord>> {
        let asked = orders.iter().filter(|(_, found)| !pending(found));
        let asked: Vec<OrderId> = asked.map(|(id, _)| *id).collect();
        let mut answers = self.outcomes_of(&asked).await?.into_iter();
        let outcome = |(_, found): &(OrderId, Found)| {
            if pending(found) {
                OrderRecord::Unknown
            } else {
                answers.next().unwrap_or(OrderRecord::Unknown)
            }
        };
        Ok(orders.iter().map(outcome).collect())
    }

    async fn outcomes_of(&self, orders: &[OrderId]) -> anyhow::Result<Vec<OrderRecord>> {
        let ask = || self.inventory.outcomes(orders, &self.context);
        patiently(ask).await.context("inventory cannot be asked")
    }

    /// Compares every stock with its ledger, and every sale in it with its order.
    pub(super) async fn compare_products(
        &self,
        times: Times,
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let mut cursor = None;
        loop {
            let ask = || self.inventory.stocks(cursor.as_deref(), &self.context);
            let page = patiently(ask).await.context("inventory cannot be asked")?;
            let products = page
                .items
                .into_iter()
                .map(|stock| self.compare_product(times, stock));
            let mut products = iter(products).buffer_unordered(LEDGERS_AT_ONCE);
            while let Some(found) = products.try_next().await? {
                findings.merge(found);
            }
            drop(products);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn compare_product(&self, times: Times, stock: Stock) -> anyhow::Result<Findings> {
        let mut findings = Findings::up_to(self.options.listed());
        findings.products = 1;
        let product_id = stock.product_id;
        let Some((on_hand, mut page)) = self.steady(stock).await? else {
            return Ok(findings);
        };
        let (mut ledger, mut history) = (Ledger::new(on_hand), History::default());
        loop {
            for entry in &page.items {
                ledger.push(entry.id, entry.delta, entry.balance);
            }
            let young = |entry: &LedgerEntry| {
                times
                    .since
                    .is_none_or(|since| entry.id.ms >= since.as_millis())
            };
            let all = page.items.len();
            page.items.retain(young);
            findings.movements += page.items.len() as u64;
            for difference in self
                .compare_sales(product_id, &page.items, &mut history)
                .await?
            {
                findings.add(difference);
            }
            // The movements on the other pages are older still.
            let Some(cursor) = page.next.filter(|_| page.items.len() == all) else {
                break;
            };
            let Some(older) = self.ledger(product_id, Some(&cursor)).await? else {
                break;
            };
            page = older;
        }
        if let Some(difference) = ledger.finish(product_id) {
            findings.add(difference);
        }
        Ok(findings)
    }

    /// The stock of a product and the first page of its ledger as they were at one time; `None` for
    /// a product that was deleted meanwhile.
    async fn steady(&self, mut stock: Stock) -> anyhow::Result<Option<(i64, Page<LedgerEntry>)>> {
        let mut looks = 0;
        loop {
            looks += 1;
            let Some(page) = self.ledger(stock.product_id, None).await? else {
                return Ok(None);
            };
            let balance = page.items.first().map(|entry| entry.balance);
            if balance == Some(stock.quantity) {
                return Ok(Some((stock.quantity, page)));
            }
            let ask = || self.inventory.stock(stock.product_id, &self.context);
            let Some(after) = patiently(ask).await.context("inventory cannot be asked")? else {
                return Ok(None);
            };
            if after.version == stock.version {
                return Ok(Some((stock.quantity, page)));
            }
            if looks >= MAX_LOOKS {
                // It sells faster than it can be read. The next run may find it at rest.
                return Ok(Some((balance.unwrap_or(stock.quantity), page)));
            }
            stock = after;
        }
    }

    async fn ledger(
        &self,
        product: ProductId,
        cursor: Option<&str>,
    ) -> anyhow::Result<Option<Page<LedgerEntry>>> {
        let ask = || self.inventory.ledger(product, cursor, &self.context);
        patiently(ask).await.context("inventory cannot be asked")
    }

    async fn compare_sales(
        &self,
        product_id: ProductId,
        entries: &[LedgerEntry],
        history: &mut History,
    ) -> anyhow::Result<Vec<Difference>> {
        let order = |entry: &LedgerEntry| match entry.cause {
            Cause::Sale(order) => Some(order),
            _ => None,
        };
        let ids: Vec<OrderId> = entries.iter().filter_map(order).collect();
        let read = || self.store.find_records(&ids);
        let (found, outcomes) = tokio::join!(patiently(read), self.outcomes_of(&ids));
        let found = found.context("the store of payments cannot be read")?;
        let mut known = found.into_iter().zip(outcomes?);
        let mut differences = Vec::new();
        for entry in entries {
            let order_id = match entry.cause {
                Cause::Sale(order) => order,
                Cause::Release(order) => {
                    history.returns.push(order);
                    continue;
                }
                Cause::Count => {
                    history.counted = true;
                    continue;
                }
                Cause::Other => continue,
            };
            let Some((found, outcome)) = known.next() else {
                break;
            };
            let (
                LedgerEntry {
                    id: movement,
                    delta,
                    ..
                },
                counted,
            ) = (*entry, history.counted);
            let sale = Sale {
                product_id,
                order_id,
                movement,
                delta,
                counted,
            };
            let given_back = history.returns.of(order_id, movement, outcome);
            differences.extend(match found {
                Found::Order(order) => compare_sale(&sale, Some(&order), outcome, given_back),
                Found::Missing => compare_sale(&sale, None, outcome, given_back),
                // The other pass reports the damaged order.
                Found::Damaged(_) => Vec::new(),
            });
        }
        Ok(differences)
    }
}

fn pending(found: &Found) -> bool {
    matches!(found, Found::Order(order) if order.status == OrderStatus::Pending)
}
