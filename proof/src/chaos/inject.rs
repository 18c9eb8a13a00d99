//! Injects the faults of the plan into the system, and counts them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use stack::process::Process;
use stack::redis::{Owner, RedisServer};
use stack::system::System;
use stack::wait::wait_for;
use tokio::sync::Mutex as Turn;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::figures::{Figure, Tally};
use super::history::History;
use super::plan::{Fault, FaultKind, Link, STORES};
use super::stores::Operators;
use crate::links::Links;
use crate::proxy::{Faults, Proxy};
use crate::supervisor::Supervisor;

pub(super) use declared::{Crash, Declared, Trimmed};

mod clocks;
mod declared;
mod links;
mod operation;
mod pressure;
mod servers;

/// The longest time for a process to run again, or to end after SIGTERM.
const PROCESS_LIMIT: Duration = Duration::from_secs(20);
/// The longest time that the faults may take beyond the plan.
const OVERTIME: Duration = Duration::from_mins(1);

/// Harms the system of one profile.
pub(super) struct Injector {
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) links: Links,
    pub(super) system: Arc<System>,
    pub(super) operators: Operators,
    pub(super) history: Arc<History>,
    pub(super) tally: Arc<Tally>,
    /// The probability that an answer of a store is dropped.
    pub(super) drop_answers: f64,
    pub(super) declared: Mutex<Declared>,
    /// A lock for each process, store and link, so that only one fault at a time harms it.
    pub(super) turns: Mutex<HashMap<String, Arc<Turn<()>>>>,
    /// The differences of the stores' clocks from the real time, in milliseconds.
    pub(super) offsets: Mutex<[i64; STORES.len()]>,
}

impl Injector {
    /// Injects every fault at its time from `start` on, and waits for the last one to be over.
    pub(super) async fn run(self: &Arc<Self>, plan: Vec<Fault>, start: Instant) -> Result<()> {
        for fault in &plan {
            let at_ms = u64::try_from(fault.at.as_millis()).unwrap_or(u64::MAX);
            self.history.note(
                "plan",
                json!({"fault": fault.what.to_string(), "planned_ms": at_ms}),
            );
        }
        let mut tasks = JoinSet::new();
        for Fault { at, what } in plan {
            sleep_until(start + at).await;
            let injector = self.clone();
            tasks.spawn(async move {
                injector
                    .inject(&what)
                    .await
                    .with_context(|| what.to_string())
            });
        }
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        };
        timeout(OVERTIME, all)
            .await
            .context("the faults did not come to an end")?
    }

    /// From now on every link drops answers with the probability `drop_answers`.
    pub(super) fn begin(&self) {
        for (_, proxy) in self.links.all() {
            proxy.set(self.usual());
        }
    }

    /// Ends all faults. Clocks stay where they are, because a jump back would be one more fault.
    pub(super) fn heal(&self) {
        let mut dropped = 0;
        for (_, proxy) in self.links.all() {
            proxy.heal();
            dropped += proxy.counts().dropped_answers;
        }
        self.tally.add(
            Figure::DroppedAnswers,
            u32::try_from(dropped).unwrap_or(u32::MAX),
        );
        let restarts = u32::try_from(self.supervisor.restarts()).unwrap_or(u32::MAX);
        self.tally.add(Figure::Restarts, restarts);
        let seen = self.tally.seen();
        let ends = seen.get(Figure::ServiceKills) + seen.get(Figure::Terminations);
        if restarts > ends {
            let told = format!("{} processes ended by themselves", restarts - ends);
            self.declare(|declared| declared.complaints.push(told));
        }
        self.history.note("healed", json!({}));
    }

    async fn inject(&self, what: &FaultKind) -> Result<()> {
        match what {
            FaultKind::Kill(name) => {
                let _turn = self.turn(name).await;
                let process = self.running(name).await?;
                self.history.note_fault(what);
                process.kill();
                self.tally.count(Figure::ServiceKills);
                self.running(name).await.map(drop)
            }
            FaultKind::Terminate(name) => self.terminate(name).await,
            FaultKind::Freeze(name, time) => {
                let _turn = self.turn(name).await;
                let process = self.running(name).await?;
                self.history.note_fault(what);
                process.pause();
                sleep(*time).await;
                process.resume();
                self.tally.count(Figure::Freezes);
                Ok(())
            }
            FaultKind::KillStore(store) => self.kill_store(*store, None).await,
            FaultKind::CutTail(store, cut) => self.kill_store(*store, Some(*cut)).await,
            FaultKind::Tcp(link, tcp, time) => self.harm(*link, *tcp, *time).await,
            FaultKind::Partition {
                stop,
                release,
                pause,
            } => {
                self.history.note_fault(what);
                self.part(stop, release, *pause).await;
                Ok(())
            }
            FaultKind::JumpClock(store, by) => {
                self.history.note_fault(what);
                self.jump_clock(*store, *by)
            }
            FaultKind::LongJump(store, days) => {
                self.history.note_fault(what);
                self.long_jump(*store, *days).await
            }
            FaultKind::DiskFull(store, time) => self.fill_disk(*store, *time).await,
            FaultKind::StoreExit(store, time) => self.end_store(*store, *time).await,
            FaultKind::UnreadLog(name, reading, time) => {
                self.leave_unread(name, *reading, *time).await
            }
            FaultKind::Flood(name, crowd, time) => self.flood(name, *crowd, *time).await,
            _ => self.operate(what).await,
        }
    }

    /// Sends SIGTERM to a process, which has to exit with status 0.
    async fn terminate(&self, name: &str) -> Result<()> {
        let _turn = self.turn(name).await;
        let process = self.running(name).await?;
        // A process that has just started does not handle SIGTERM yet and would die of it.
        self.system.wait_process_ready(name).await.ok();
        self.history.note_fault(format!("SIGTERM {name}"));
        process.terminate();
        let status = process.wait(PROCESS_LIMIT).await?;
        self.tally.count(Figure::Terminations);
        if !status.success() {
            self.declare(|declared| {
                declared
                    .complaints
                    .push(format!("{name} was asked to end, and ended: {status}"));
            });
        }
        self.running(name).await.map(drop)
    }

    fn usual(&self) -> Faults {
        Faults {
            drop_answers: self.drop_answers,
            ..Faults::default()
        }
    }

    /// Waits until no other fault harms `what`.
    async fn turn(&self, what: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut turns = stack::locked(&self.turns);
            turns.entry(what.to_owned()).or_default().clone()
        };
        turn.lock_owned().await
    }

    /// The process of that name, once it runs.
    async fn running(&self, name: &str) -> Result<Arc<Process>> {
        let process = self.system.process(name);
        wait_for(&format!("`{name}` to run"), PROCESS_LIMIT, || async {
            process.is_running().then_some(())
        })
        .await?;
        Ok(process)
    }

    fn proxy(&self, link: Link) -> Arc<Proxy> {
        match link {
            Link::Owner(process, store) => self.links.to_store(process, store),
            Link::Inventory(process) => self.links.to_inventory_http(process),
        }
    }

    fn server(&self, store: Owner) -> &RedisServer {
        match store {
            Owner::Inventory => self.system.inventory_redis(),
            Owner::Payments => self.system.payments_redis(),
        }
    }

    fn declare(&self, work: impl FnOnce(&mut Declared)) {
        work(&mut stack::locked(&self.declared));
    }
}
