//! Collects the findings about a profile while the profile ends.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use stack::memory::SERVICE_LIMIT;
use stack::system::System;
use stack::wait::wait_until;

use super::{DELAY, Running};
use crate::chaos::checker::{Evidence, Finding, Rule, read};
use crate::chaos::figures::{Figure, Figures};
use crate::chaos::heal::{DRAIN_LIMIT, READY_LIMIT};
use crate::chaos::history::millis;
use crate::chaos::inject::Declared;
use crate::chaos::plan::PROCESSES;
use crate::chaos::profiles::Durability;
use crate::chaos::resources::Usage;
use crate::chaos::{checker, heal, reconcile};

/// The time whose writes `appendfsync everysec` may lose: 1 s, and 2 s by which the server may
/// delay a write.
const LOSS_WINDOW: Duration = Duration::from_secs(3);
/// The longest time for which a process may keep connections and memory that it no longer needs.
const RELEASE_LIMIT: Duration = Duration::from_secs(20);
const MIB: u64 = 1024 * 1024;
/// The number of quoted lines of a `reconcile` that found a difference.
const QUOTED_LINES: usize = 5;

/// The findings so far.
#[derive(Default)]
pub(super) struct Judge {
    pub(super) findings: Vec<Finding>,
    pub(super) remarks: Vec<String>,
    before: HashMap<&'static str, Usage>,
}

impl Judge {
    /// Measures the resources of every process before the first fault.
    pub(super) fn before(&mut self, system: &System) {
        self.before = usage(system);
    }

    /// `RecoversInTime`: the processes are ready soon after the last fault.
    pub(super) fn ready(&mut self, took: Option<Duration>) {
        let mut finding = Finding::new(Rule::RecoversInTime);
        finding.expect(
            took.is_some_and(|took| took <= READY_LIMIT),
            || match took {
                Some(took) => format!("ready only after {took:.1?}, not {READY_LIMIT:?}"),
                None => "never ready again".to_owned(),
            },
        );
        let took = took.map_or("never".to_owned(), |took| format!("{took:.2?}"));
        self.remarks
            .push(format!("all processes ready after the last fault: {took}"));
        self.findings.push(finding);
    }

    /// `RecoversInTime`: all work is done soon after the end of the load.
    pub(super) fn drained(&mut self, took: Result<Duration, String>) {
        let mut finding = Finding::new(Rule::RecoversInTime);
        let in_time = took.as_ref().is_ok_and(|took| *took <= DRAIN_LIMIT);
        finding.expect(in_time, || match &took {
            Ok(took) => format!("drained only after {took:.1?}, not {DRAIN_LIMIT:?}"),
            Err(left) => format!("never drained: {left}"),
        });
        let took = took.map_or("never".to_owned(), |took| format!("{took:.2?}"));
        self.remarks
            .push(format!("everything drained after the last order: {took}"));
        self.merge(vec![finding]);
    }

    /// `ResourcesComeBack`: no process has ever used more memory than its limit.
    pub(super) fn memory(&mut self, peaks: &HashMap<&'static str, u64>) {
        let mut finding = Finding::new(Rule::ResourcesComeBack);
        for name in PROCESSES {
            let peak = peaks.get(name).copied().unwrap_or_default();
            finding.expect((1..=SERVICE_LIMIT).contains(&peak), || {
                format!("{name} used {} MiB of {}", peak / MIB, SERVICE_LIMIT / MIB)
            });
        }
        let most = peaks.values().max().copied().unwrap_or_default();
        self.remarks.push(format!(
            "the most memory a service used: {} of {} MiB",
            most / MIB,
            SERVICE_LIMIT / MIB
        ));
        self.merge(vec![finding]);
    }

    /// `ResourcesComeBack`: within `RELEASE_LIMIT` each process uses about as much as before the
    /// first fault. A process gives idle connections and spare memory back only after a while.
    pub(super) async fn resources(&mut self, system: &System, planned: &Figures) {
        let has_read_large = planned.get(Figure::LargeEntries) > 0;
        let fits = || async {
            let now = usage(system);
            let grown = |name| {
                now.get(name)?
                    .grown_since(self.before.get(name)?, has_read_large)
                    .into_iter()
                    .next()
            };
            !PROCESSES.into_iter().any(|name| grown(name).is_some())
        };
        // If the wait fails, the findings below say what has grown.
        let _ = wait_until("everything to be as before", RELEASE_LIMIT, fits).await;
        let mut finding = Finding::new(Rule::ResourcesComeBack);
        let now = usage(system);
        for name in PROCESSES {
            let (Some(before), Some(now)) = (self.before.get(name), now.get(name)) else {
                finding.expect(false, || format!("{name} cannot be measured"));
                continue;
            };
            let grown = now.grown_since(before, has_read_large);
            finding.expect(grown.is_empty(), || format!("{name}: {}", grown.join("; ")));
        }
        let sum = |usage: &HashMap<_, Usage>| -> [u64; 3] {
            usage.values().fold([0; 3], |[rss, files, threads], one| {
                [
                    rss + one.rss_kib,
                    files + one.descriptors,
                    threads + one.threads,
                ]
            })
        };
        let ([rss, files, threads], [rss_now, files_now, threads_now]) =
            (sum(&self.before), sum(&now));
        self.remarks.push(format!(
            "all services: {} -> {} MiB, {files} -> {files_now} descriptors, {threads} -> \
             {threads_now} threads",
            rss / 1_024,
            rss_now / 1_024
        ));
        self.merge(vec![finding]);
    }

    /// `FiguresReached`: the run has done at least what was planned.
    pub(super) fn figures(&mut self, planned: &Figures, seen: &Figures) {
        let mut finding = Finding::new(Rule::FiguresReached);
        finding.facts = planned.how_many();
        for (figure, planned, seen) in seen.short_of(planned) {
            finding.blame(format!("{}: {seen} of {planned}", figure.label()));
        }
        self.findings.push(finding);
        self.findings.sort_by_key(|finding| finding.rule);
    }

    /// The rules about data, `StockFollowsLedger` to `LossWithinBound`. If the harness destroyed
    /// data, they are checked before and after `reconcile` repairs it.
    pub(super) async fn stores(&mut self, running: &Running, declared: &Declared) -> Result<()> {
        for complaint in &declared.complaints {
            let mut finding = Finding::new(Rule::RecoversInTime);
            finding.expect(false, || complaint.clone());
            self.merge(vec![finding]);
        }
        if running.profile.durability == Durability::Always {
            self.check(running, declared, false).await?;
        }
        let mut agreement = Finding::new(Rule::StoresAgree);
        let reconciled = if running.profile.needs_reconcile {
            reconcile::apply(&running.system).await?
        } else {
            reconcile::compare(&running.system).await?
        };
        agreement.expect(reconciled.agrees, || {
            let lines: Vec<&str> = reconciled.text.lines().take(QUOTED_LINES).collect();
            format!("reconcile finds differences: {}", lines.join(" | "))
        });
        if let Some(summary) = reconciled.text.lines().last() {
            self.remarks.push(format!("reconcile: {summary}"));
        }
        self.merge(vec![agreement]);
        if running.profile.needs_reconcile {
            self.drained(heal::drained(&running.operators).await);
            self.check(running, declared, true).await?;
        }
        Ok(())
    }

    async fn check(
        &mut self,
        running: &Running,
        declared: &Declared,
        reconciled: bool,
    ) -> Result<()> {
        let stores = read::read(&running.operators).await?;
        let watch = stack::locked(&running.seen).clone();
        let lossy = running.profile.durability == Durability::EverySecond;
        let findings = checker::check(&Evidence {
            calls: &running.history.calls(),
            stores: &stores,
            watch: &watch,
            declared,
            delay_ms: millis(DELAY),
            window_ms: if lossy { millis(LOSS_WINDOW) } else { 0 },
            reconciled,
        });
        self.merge(findings);
        Ok(())
    }

    /// Adds findings to the earlier findings about the same rules.
    fn merge(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match self
                .findings
                .iter_mut()
                .find(|known| known.rule == finding.rule)
            {
                Some(known) => known.add(finding),
                None => self.findings.push(finding),
            }
        }
    }
}

fn usage(system: &System) -> HashMap<&'static str, Usage> {
    let of = |name| Some((name, Usage::of(&system.process(name))?));
    PROCESSES.into_iter().filter_map(of).collect()
}
