//! What an operator can do wrong, through a client of the store.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use redis::{Cmd, FromRedisValue};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Injector, Trimmed};
use crate::{
    chaos::{
        figures::Figure,
        plan::{Poison, What},
        stores::{POISON_MARK, stream},
    },
    redis::Store,
    wait::POLL,
};

/// How long a store may be away, or a stream empty.
const LIMIT: Duration = Duration::from_secs(20);
/// The newest entries, of which one is emitted again.
const NEWEST: usize = 200;
/// How many bytes a store is left when it is to be out of memory.
const HARDLY_ANY: &str = "1";

/// Removes every entry of a stream at one instant: their orders, and whether the group had
/// acknowledged them.
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
    pub(super) async fn operate(&self, what: &What) -> Result<()> {
        self.history.note("fault", json!({"fault": what.to_string()}));
        match *what {
            What::OutOfMemory(store, time) => {
                let _turn = self.turn(store.name()).await;
                let set = |bytes: &'static str| async move {
                    self.insist::<()>(store, &["CONFIG", "SET", "maxmemory", bytes]).await
                };
                set(HARDLY_ANY).await?;
                sleep(time).await;
                set("0").await?;
                self.tally.count(Figure::OutOfMemory);
            }
            What::FlushFunctions(store) => {
                self.insist::<()>(store, &["FUNCTION", "FLUSH"]).await?;
                self.tally.count(Figure::FunctionFlushes);
            }
            What::DestroyGroup(store) => {
                let stream = stream(store);
                let words = ["XGROUP", "DESTROY", stream.key, stream.group];
                let destroyed: u32 = self.insist(store, &words).await?;
                self.tally.add(Figure::GroupsDestroyed, destroyed);
            }
            What::TrimUnread(store) => self.trim_unread(store).await?,
            What::Poison(store, shape) => self.poison(store, shape).await?,
            What::Duplicate(store, choice) => self.duplicate(store, choice).await?,
            _ => bail!("{what} is nothing that an operator does"),
        }
        Ok(())
    }

    /// While its readers are frozen, everything is trimmed off a stream.
    async fn trim_unread(&self, store: Store) -> Result<()> {
        let stream = stream(store);
        let (first, second) = (stream.consumers[0], stream.consumers[1]);
        let _turns = (self.turn(first).await, self.turn(second).await);
        let consumers = [self.running(first).await?, self.running(second).await?];
        for consumer in &consumers {
            consumer.pause();
        }
        let trimmed = self.until_trimmed(store).await;
        for consumer in &consumers {
            consumer.resume();
        }
        let trimmed = trimmed?;
        let unread = trimmed.iter().filter(|entry| entry.unread).count();
        self.history.note("trimmed", json!({"entries": trimmed.len(), "unread": unread}));
        self.declare(|declared| declared.trimmed.extend(trimmed));
        self.tally.count(Figure::EarlyTrims);
        Ok(())
    }

    async fn until_trimmed(&self, store: Store) -> Result<Vec<Trimmed>> {
        let stream = stream(store);
        let mut script = Cmd::new();
        script.arg("EVAL").arg(TRIM_SCRIPT).arg(1).arg(stream.key).arg(stream.group);
        let deadline = Instant::now() + LIMIT;
        loop {
            // Once: after an error nobody would know what is gone.
            let entries: Vec<[String; 2]> = self.operators.to(store).run(&script).await?;
            if !entries.is_empty() {
                let trimmed = |[order, state]: [String; 2]| Trimmed {
                    store,
                    order,
                    unread: state == "unread",
                };
                return Ok(entries.into_iter().map(trimmed).collect());
            }
            ensure!(Instant::now() < deadline, "{} never had an unread entry", stream.key);
            sleep(POLL).await;
        }
    }

    async fn poison(&self, store: Store, shape: Poison) -> Result<()> {
        let fields: &[&str] = match shape {
            Poison::Rubbish => &["rubbish", "from an operator"],
            Poison::UnknownType => &["ce_specversion", "1.0", "ce_type", "order.exploded.v9"],
            Poison::NoOrder => &["ce_specversion", "1.0", "ce_type", event_type(store)],
            Poison::BadNumber => {
                &["ce_specversion", "1.0", "ce_type", event_type(store), "quantity", "many"]
            }
        };
        self.add(store, &[&[POISON_MARK, "chaos"], fields].concat()).await?;
        self.tally.count(Figure::Poison);
        Ok(())
    }

    /// What a producer does that cannot tell whether it was heard.
    async fn duplicate(&self, store: Store, choice: u64) -> Result<()> {
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
            ensure!(Instant::now() < deadline, "{} never had an event", stream.key);
            sleep(POLL).await;
        };
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        self.add(store, &fields).await?;
        self.tally.count(Figure::Duplicates);
        Ok(())
    }

    /// Adds an entry; twice, where nobody knows about the first.
    async fn add(&self, store: Store, fields: &[&str]) -> Result<()> {
        let words = [&["XADD", stream(store).key, "*"], fields].concat();
        let deadline = Instant::now() + LIMIT;
        loop {
            let Err(error) = self.operators.to(store).ask::<()>(&words).await else {
                return Ok(());
            };
            ensure!(Instant::now() < deadline, "{}: {error}", words.join(" "));
            sleep(POLL).await;
        }
    }

    async fn insist<T: FromRedisValue>(&self, store: Store, words: &[&str]) -> Result<T> {
        self.operators.to(store).insist(words, LIMIT).await
    }
}

fn event_type(store: Store) -> &'static str {
    match store {
        Store::Inventory => "order.refund_requested.v1",
        Store::Payments => "order.completed.v1",
    }
}
