//! What a run found, for people and for machines.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use shared::store::partition::Partition;

use super::MOST_REPAIRS;
use super::findings::Findings;
use crate::audit::{Difference, Totals, decimal};

/// What a run found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    orders: u64,
    products: u64,
    movements: u64,
    /// In minor units; missing where the accounts were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded: Option<u64>,
    differences: Vec<Line>,
    /// Differences that are only counted.
    more: u64,
    /// Safe repairs beyond the number that this run was allowed to make.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_back: Option<usize>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    difference: Difference,
    repaired: bool,
}

impl Report {
    /// The report of a run that found `found`. A difference that is still in `findings` was not
    /// repaired.
    pub(super) fn new(
        findings: &Findings,
        found: Vec<Difference>,
        totals: Option<&Totals<Partition>>,
        held_back: Option<usize>,
        took: Duration,
    ) -> Self {
        let subject = |difference: &Difference| {
            let Difference {
                kind,
                order_id,
                product_id,
                movement,
                ..
            } = difference;
            (*order_id, *product_id, *movement, kind.remedy().is_some())
        };
        let remains = findings.differences.iter();
        let remains: HashMap<_, _> = remains.map(|left| (subject(left), left)).collect();
        let line = |mut difference: Difference| {
            let left = remains.get(&subject(&difference));
            // If its repair was refused, what is left says why.
            if let Some(left) = left
                && left.kind == difference.kind
                && left.kind.remedy().is_some()
            {
                difference.detail.clone_from(&left.detail);
            }
            Line {
                repaired: left.is_none(),
                difference,
            }
        };
        let (charged, refunded) = totals.map(Totals::accounts).unzip();
        Self {
            orders: findings.orders,
            products: findings.products,
            movements: findings.movements,
            charged,
            refunded,
            differences: found.into_iter().map(line).collect(),
            more: findings.more,
            held_back,
            seconds: took.as_secs_f64(),
        }
    }

    /// Whether there are differences left.
    pub(super) fn remain(&self) -> bool {
        self.more > 0 || self.differences.iter().any(|line| !line.repaired)
    }

    /// The report, as JSON or in lines.
    pub(super) fn text(&self, json: bool) -> anyhow::Result<String> {
        if json {
            return Ok(serde_json::to_string(self)?);
        }
        let Self {
            orders,
            products,
            movements,
            seconds,
            ..
        } = self;
        let mut text = format!(
            "compared {orders} orders, {products} products and {movements} movements \
             in {seconds:.1} s\n"
        );
        if let (Some(charged), Some(refunded)) = (self.charged, self.refunded) {
            writeln!(
                text,
                "charged {}, refunded {}",
                decimal(charged),
                decimal(refunded)
            )?;
        }
        for Line {
            difference,
            repaired,
        } in &self.differences
        {
            let order = difference.order_id.map(|id| format!(" order {id}"));
            let product = difference.product_id.map(|id| format!(" product {id}"));
            write!(text, "{}", difference.kind.as_str())?;
            for part in [order, product].into_iter().flatten() {
                text.push_str(&part);
            }
            let repaired = if *repaired { " (repaired)" } else { "" };
            writeln!(text, ": {}{repaired}", difference.detail)?;
        }
        let repaired = self.differences.iter().filter(|line| line.repaired).count();
        let all = self.differences.len() as u64 + self.more;
        write!(text, "{all} differences, {repaired} repaired")?;
        if let Some(repairs) = self.held_back {
            let limit = "more than this run may repair: read them, then say --max-repairs";
            // A run takes no larger number. The next run repairs the others.
            let next = MOST_REPAIRS.min(repairs as u64);
            write!(text, "; {repairs} are {limit} {next}")?;
        }
        if self.more > 0 {
            write!(
                text,
                "; {} of them are only counted: run it again",
                self.more
            )?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use shared::contract::id::OrderId;

    use super::*;
    use crate::audit::Kind;

    fn differences(count: usize) -> Vec<Difference> {
        let difference = || {
            let (order_id, detail) = (Some(OrderId::mint()), String::new());
            let kind = Kind::NoOutcome;
            Difference {
                kind,
                order_id,
                product_id: None,
                movement: None,
                detail,
            }
        };
        std::iter::repeat_with(difference).take(count).collect()
    }

    fn report(left: Vec<Difference>, found: Vec<Difference>, held_back: Option<usize>) -> Report {
        let mut findings = Findings::up_to(usize::MAX);
        for difference in left {
            findings.add(difference);
        }
        Report::new(&findings, found, None, held_back, Duration::ZERO)
    }

    #[test]
    fn what_is_not_left_is_repaired() {
        let found = differences(3);
        let report = report(vec![found[1].clone()], found, None);
        let repaired: Vec<bool> = report
            .differences
            .iter()
            .map(|line| line.repaired)
            .collect();
        assert_eq!(repaired, [true, false, true]);
    }

    #[test]
    fn a_report_advises_no_more_repairs_than_a_run_takes() {
        for (held_back, advice) in [(101, "101"), (100_001, "100000")] {
            let text = report(Vec::new(), Vec::new(), Some(held_back))
                .text(false)
                .unwrap();
            assert!(
                text.ends_with(&format!("say --max-repairs {advice}")),
                "{text}"
            );
        }
    }
}
