//! Mistakes of an operator, made through a client of the store.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use redis::{Cmd, FromRedisValue};
use serde_json::json;
use stack::redis::Owner;
use stack::wait::{POLL, wait_until};
use tokio::time::{Instant, sleep};

use super::{Injector, Trimmed};
use crate::chaos::figures::Figure;
use crate::chaos::plan::{FaultKind, Poison};
use crate::chaos::stores::{POISON_MARK, stream};

/// The longest time for which a store may be away, or a stream empty.
const LIMIT: Duration = Duration::from_secs(20);
/// The number of attempts to find an unread entry, and the time of each attempt.
const TRIM_ATTEMPTS: usize = 3;
const TRIM_PATIENCE: Duration = Duration::from_secs(1);
/// The time for which orders gather in the stream, so that several are refused together.
const GATHER: Duration = Duration::from_millis(700);
/// After this time every blocking read of a frozen reader has ended.
const LONGEST_BLOCK: Duration = Duration::from_millis(2_200);
/// The newest entries, of which one is emitted again.
const NEWEST: usize = 200;
/// What a large entry carries beside its fields.
const LARGE_BYTES: usize = 2_000_000;
/// The memory limit in bytes that puts a store out of memory.
const HARDLY_ANY: &str = "1";

/// Removes every entry of a stream at one instant, if the stream has an entry that was not
/// delivered yet. Answers the order of each entry, and whether the group had acknowledged the
/// entry.
const TRIM_SCRIPT: &str = r"
local last, waits = '0-0', {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
  if info.name == ARGV[1] then last = info['last-delivered-id'] end
end
local unread = redis.call('XRANGE', KEYS[1], '(' .. last, '+')
if #unread == 0 then return {} end
for _, entry in ipairs(unread) do waits[entry[1]] = true end
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 100000)) do
  waits[entry[1]] = true
end
local answer = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local order = ''
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'order_id' then order = entry[2][i + 1] end
  end
  answer[#answer + 1] = {order, waits[entry[1]] and 'unread' or 'read'}
end
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
return answer";

impl Injector {
    pub(super) async fn operate(&self, what: &FaultKind) -> Result<()> {
        self.history.note_fault(what);
        match *what {
            FaultKind::OutOfMemory(store, time) => {
                let _turn = self.turn(store.name()).await;
                let set = |bytes: &'static str| async move {
                    self.insist::<()>(store, &["CONFIG", "SET", "maxmemory", bytes])
                        .await
                };
                set(HARDLY_ANY).await?;
                sleep(time).await;
                set("0").await?;
                self.tally.count(Figure::OutOfMemory);
            }
            FaultKind::FlushFunctions(store) => {
                self.insist::<()>(store, &["FUNCTION", "FLUSH"]).await?;
                self.tally.count(Figure::FunctionFlushes);
            }
            FaultKind::DestroyGroup(store) => {
                let stream = stream(store);
                let words = ["XGROUP", "DESTROY", stream.key, stream.group];
                // The consumer creates a destroyed group again, and only then can it be destroyed.
                let destroyed = wait_until("a group to destroy", LIMIT, || async {
                    self.insist::<u32>(store, &words)
                        .await
                        .is_ok_and(|groups| groups == 1)
                });
                destroyed.await?;
                self.tally.count(Figure::GroupsDestroyed);
            }
            FaultKind::TrimUnread(store) => self.trim_unread(store).await?,
            FaultKind::Poison(store, shape) => self.poison(store, shape).await?,
            FaultKind::LargeEntry(store) => {
                let ballast = "x".repeat(LARGE_BYTES);
                self.add(store, &[POISON_MARK, "chaos", "ballast", &ballast])
                    .await?;
                self.tally.count(Figure::LargeEntries);
            }
            FaultKind::Duplicate(store, choice) => self.duplicate(store, choice).await?,
            _ => bail!("{what} is nothing that an operator does"),
        }
        Ok(())
    }

    /// Freezes the readers of a stream, and trims all of its entries.
    async fn trim_unread(&self, store: Owner) -> Result<()> {
        let (first, second) = (
            stream(Owner::Payments).consumers,
            stream(Owner::Inventory).consumers,
        );
        let mut turns = Vec::new();
        for name in [first, second].concat() {
            turns.push(self.turn(name).await);
        }
        for _ in 0..TRIM_ATTEMPTS {
            let trimmed = self.freeze_and_trim(store).await?;
            if trimmed.is_empty() {
                continue;
            }
            let unread = trimmed.iter().filter(|entry| entry.unread).count();
            self.history.note(
                "trimmed",
                json!({"entries": trimmed.len(), "unread": unread}),
            );
            self.declare(|declared| declared.trimmed.extend(trimmed));
            self.tally.count(Figure::EarlyTrims);
            break;
        }
        Ok(())
    }

    async fn freeze_and_trim(&self, store: Owner) -> Result<Vec<Trimmed>> {
        let (readers, mut writers) = (stream(store).consumers, Vec::new());
        if store == Owner::Inventory {
            // The readers of refunds also pay orders. While they are frozen no order is paid, so
            // no refund would be emitted. So inventory is frozen first until orders gather in its
            // stream. It acts on them while the readers of refunds are frozen.
            for name in stream(Owner::Payments).consumers {
                writers.push(self.running(name).await?);
                self.system.process(name).pause();
            }
            sleep(GATHER).await;
        }
        let readers = [
            self.running(readers[0]).await?,
            self.running(readers[1]).await?,
        ];
        for reader in &readers {
            reader.pause();
        }
        if store == Owner::Inventory {
            // The store delivers an entry to a blocking read even if its reader is frozen.
            sleep(LONGEST_BLOCK).await;
        }
        for writer in &writers {
            writer.resume();
        }
        let trimmed = self.until_trimmed(store).await;
        for reader in &readers {
            reader.resume();
        }
        trimmed
    }

    /// The trimmed entries; empty if every entry was delivered for all of `TRIM_PATIENCE`.
    async fn until_trimmed(&self, store: Owner) -> Result<Vec<Trimmed>> {
        let stream = stream(store);
        let mut script = Cmd::new();
        script
            .arg("EVAL")
            .arg(TRIM_SCRIPT)
            .arg(1)
            .arg(stream.key)
            .arg(stream.group);
        let deadline = Instant::now() + TRIM_PATIENCE;
        while Instant::now() < deadline {
            // The script is not repeated: after an error it is unknown which entries it removed.
            let entries: Vec<[String; 2]> = self.operators.to(store).run(&script).await?;
            if !entries.is_empty() {
                let trimmed = |[order, state]: [String; 2]| Trimmed {
                    store,
                    order,
                    unread: state == "unread",
                };
                return Ok(entries.into_iter().map(trimmed).collect());
            }
            sleep(POLL).await;
        }
        Ok(Vec::new())
    }

    async fn poison(&self, store: Owner, shape: Poison) -> Result<()> {
        let fields: &[&str] = match shape {
            Poison::Rubbish => &["rubbish", "from an operator"],
            Poison::UnknownType => &["ce_specversion", "1.0", "ce_type", "order.exploded.v9"],
            Poison::NoOrder => &["ce_specversion", "1.0", "ce_type", event_type(store)],
            Poison::BadNumber => &[
                "ce_specversion",
                "1.0",
                "ce_type",
                event_type(store),
                "quantity",
                "many",
            ],
        };
        self.add(store, &[&[POISON_MARK, "chaos"], fields].concat())
            .await?;
        self.tally.count(Figure::Poison);
        Ok(())
    }

    /// Emits an event again, as a producer does that got no answer the first time.
    async fn duplicate(&self, store: Owner, choice: u64) -> Result<()> {
        let stream = stream(store);
        let newest = NEWEST.to_string();
        let words = ["XREVRANGE", stream.key, "+", "-", "COUNT", &newest];
        let deadline = Instant::now() + LIMIT;
        let fields = loop {
            let entries: Vec<(String, Vec<String>)> = self.insist(store, &words).await?;
            let events = entries.into_iter().map(|(_, fields)| fields);
            let is_event = |fields: &Vec<String>| fields.iter().any(|name| name == "ce_id");
            let mut events: Vec<_> = events.filter(is_event).collect();
            if !events.is_empty() {
                let count = u64::try_from(events.len())?;
                break events.swap_remove(usize::try_from(choice % count)?);
            }
            ensure!(
                Instant::now() < deadline,
                "{} never had an event",
                stream.key
            );
            sleep(POLL).await;
        };
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        self.add(store, &fields).await?;
        self.tally.count(Figure::Duplicates);
        Ok(())
    }

    /// Adds an entry, and adds it again if the first attempt got no answer.
    async fn add(&self, store: Owner, fields: &[&str]) -> Result<()> {
        let words = [&["XADD", stream(store).key, "*"], fields].concat();
        let deadline = Instant::now() + LIMIT;
        loop {
            let Err(error) = self.operators.to(store).ask::<()>(&words).await else {
                return Ok(());
            };
            ensure!(Instant::now() < deadline, "XADD {}: {error}", words[1]);
            sleep(POLL).await;
        }
    }

    async fn insist<T: FromRedisValue>(&self, store: Owner, words: &[&str]) -> Result<T> {
        self.operators.to(store).insist(words, LIMIT).await
    }
}

fn event_type(store: Owner) -> &'static str {
    match store {
        Owner::Inventory => "order.refund_requested.v1",
        Owner::Payments => "order.completed.v1",
    }
}
