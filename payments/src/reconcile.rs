//! `payments reconcile`: compares the records of both services, and repairs what is safe to repair.
//!
//! It reads its own store and asks inventory over HTTP, page by page, beside live traffic. A
//! difference counts when a second look, after everything was read, still shows it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use shared::base::config::Span;
use shared::contract::limits::{MAX_SKEW, MIN_RECORD_RETENTION};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::store::partition::Partition;

mod findings;
mod patience;
mod reach;
mod repair;
mod report;
mod steps;
mod walk;

use crate::audit::{Difference, Totals};
use crate::inventory_client::InventoryClient;
use crate::reconcile::findings::Findings;
use crate::reconcile::patience::patiently;
use crate::reconcile::repair::{may_pass, remedy};
use crate::reconcile::report::Report;
use crate::store::OrderStore;

/// How to compare, and what to do then.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Repair what is safe to repair. Emit the events again of paid orders whose stock was not
    /// taken and whose refund did not come. Give back the stock of orders that are not paid (any
    /// more), and stock that an order took twice. Counted stock and money are never changed.
    #[arg(long)]
    apply: bool,
    /// Repair up to this number of differences, 0 to 100000, in steps of 100. Without it, a run
    /// that finds more than 100 to repair repairs none. More than 100 mean that a store lost its
    /// data, or that this is another inventory. Emitting the events again would then refund all
    /// these orders. Read what was found first.
    #[arg(long, value_name = "COUNT", value_parser = RangedU64ValueParser::<usize>::new().range(0..=MOST_REPAIRS))]
    max_repairs: Option<usize>,
    /// Write one JSON object instead of lines for people.
    #[arg(long)]
    json: bool,
    /// An order that changed within this time may still be on its way.
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    grace: Span,
    /// Stock of an order that payments does not know is given back only when it is older than this.
    #[arg(long, value_name = "SPAN", default_value = "15m")]
    orphan_grace: Span,
    /// Compare only what is younger than this. The account is not compared then.
    #[arg(long, value_name = "SPAN")]
    since: Option<Span>,
}

/// Compares the records of both services.
pub struct Reconciler {
    store: OrderStore,
    inventory: InventoryClient,
    context: RequestContext,
    options: Options,
}

/// The times that one run goes by, all on the clock of the store.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// An order that changed before this time is no longer on its way.
    unchanged_since: Timestamp,
    /// An unknown order from before this time is not about to be placed.
    orphaned: Timestamp,
    /// inventory may have forgotten an order from before this time. If its event were emitted
    /// again, the order could take its stock a second time.
    remembered: Timestamp,
    /// Where the comparison begins.
    since: Option<Timestamp>,
}

/// The most differences that a run lists and looks at again, unless it may repair more. Further
/// differences are only counted.
const MAX_DIFFERENCES: usize = 1_000;
/// The most repairs of a run without `--max-repairs`.
const SAFE_REPAIRS: usize = 100;
/// The most repairs that `--max-repairs` allows: about 20 MB of differences.
const MOST_REPAIRS: u64 = 100_000;
/// Differences that are repaired before the run waits until these repairs show.
const REPAIRS_AT_ONCE: usize = 100;
/// Longest wait until the repairs of a step show, and again at the end of a run.
const REPAIR_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks at what was repaired.
const REPAIR_PAUSE: Duration = Duration::from_millis(250);
/// Exit status when differences remain.
const DIFFERENT: u8 = 3;

impl Options {
    /// How many of these repairs a run makes.
    fn allowed(&self, repairs: usize) -> usize {
        match self.max_repairs {
            Some(most) => repairs.min(most),
            None if repairs > SAFE_REPAIRS => 0,
            None => repairs,
        }
    }

    /// How many differences a run lists.
    fn listed(&self) -> usize {
        self.max_repairs.unwrap_or_default().max(MAX_DIFFERENCES)
    }
}

impl Reconciler {
    /// A reconciler of this store and this inventory.
    pub fn new(store: OrderStore, inventory: InventoryClient, options: Options) -> Self {
        Self {
            store,
            inventory,
            context: RequestContext::mint(),
            options,
        }
    }

    /// Compares everything, repairs what the options allow, and writes what it found. Fails when it
    /// cannot finish.
    pub async fn run(&self) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        self.reach_both().await?;
        let mut totals = self.totals().await?;
        let now = totals.read_at();
        let times = Times {
            unchanged_since: now.earlier_by(self.options.grace.0),
            orphaned: now.earlier_by(self.options.orphan_grace.0),
            remembered: now.earlier_by(MIN_RECORD_RETENTION.saturating_sub(MAX_SKEW)),
            since: self.options.since.map(|Span(since)| now.earlier_by(since)),
        };
        let mut findings = Findings::up_to(self.options.listed());
        self.compare_orders(times, &mut totals, &mut findings)
            .await?;
        self.compare_products(times, &mut findings).await?;
        if times.since.is_none() && totals.differences().next().is_some() {
            totals = self.recount().await?;
        }
        let accounts = times.since.is_none().then_some(totals);
        for difference in accounts.iter().flat_map(Totals::differences) {
            findings.add(difference);
        }
        self.look_again(times, &mut findings.differences).await?;

        let found = findings.differences.clone();
        let mut held_back = None;
        if self.options.apply {
            let safe = |found: &Difference| remedy(times, found).is_some();
            let (repairs, mut remains): (Vec<_>, Vec<_>) = found.iter().cloned().partition(safe);
            let (now, later) = repairs.split_at(self.options.allowed(repairs.len()));
            remains.extend(self.repair(times, now).await?);
            remains.extend_from_slice(later);
            findings.differences = remains;
            held_back = (!later.is_empty()).then_some(later.len());
        }
        let took = started.elapsed();
        let report = Report::new(&findings, found, accounts.as_ref(), held_back, took);
        shared::service::cli::print(&report.text(self.options.json)?)?;
        Ok(if report.remain() {
            ExitCode::from(DIFFERENT)
        } else {
            ExitCode::SUCCESS
        })
    }

    /// The accounts of all partitions, each as it was at one time. The orders are read after that.
    async fn totals(&self) -> anyhow::Result<Totals<Partition>> {
        let accounts = patiently(|| self.store.read_accounts()).await?;
        Ok(Totals::beside(accounts))
    }

    /// Waits until at most `most_left` of these differences are left, and keeps those. Answers
    /// whether that came in time. A difference that no wait can end is not waited for.
    async fn wait_for_repairs(
        &self,
        times: Times,
        differences: &mut Vec<Difference>,
        most_left: usize,
    ) -> anyhow::Result<bool> {
        let deadline = Instant::now() + REPAIR_LIMIT;
        loop {
            self.look_again(times, differences).await?;
            let waits = |found: &Difference| may_pass(found) && remedy(times, found).is_some();
            if differences.len() <= most_left || !differences.iter().any(waits) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(REPAIR_PAUSE).await;
        }
    }
}
