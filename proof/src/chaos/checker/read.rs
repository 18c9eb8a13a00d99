//! Reads both stores as their operator, page by page.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use redis::{Cmd, FromRedisValue};
use stack::operator::Operator;
use stack::redis::Owner;

use super::decode::{Fields, dead_letter, event, movement, order, record, recorded_order, word};
use super::stores::{Product, Stores, Stream};
use crate::chaos::stores::{Operators, stream};

/// The number of keys that are read with one command.
const PAGE: usize = 500;
/// The number of entries that are read with one command: a large entry has 2 MB.
const ENTRIES_PAGE: usize = 20;
/// Longer values are cut: no rule reads them.
const LONGEST_VALUE: usize = 16 * 1024;
const LIMIT: Duration = Duration::from_secs(20);
/// The hashes of these keys, in the same order.
const HASHES: &str = r"
local answer = {}
for i, key in ipairs(KEYS) do answer[i] = redis.call('HGETALL', key) end
return answer";

/// Everything the checker needs of both stores.
pub(crate) async fn read(operators: &Operators) -> Result<Stores> {
    let (inventory, payments) = (&*operators.inventory, &*operators.payments);
    let mut stores = Stores {
        orders: lines(payments, "order:")
            .await?
            .into_iter()
            .map(order)
            .collect::<Result<_>>()?,
        due: payments
            .insist(&["ZRANGE", "due", "0", "-1"], LIMIT)
            .await?,
        account: account(payments).await?,
        completed: read_stream(payments, Owner::Payments).await?,
        refunds: read_stream(inventory, Owner::Inventory).await?,
        ..Stores::default()
    };
    for (id, line) in lines(inventory, "product:").await? {
        let deleted = line.starts_with("deleted ");
        let stock = if deleted {
            None
        } else {
            Some(word(&line, 1)?.parse()?)
        };
        stores.products.insert(
            id,
            Product {
                stock,
                deleted,
                movements: Vec::new(),
            },
        );
    }
    for (id, product) in &mut stores.products {
        let entries = entries(inventory, &format!("movements:{id}")).await?;
        product.movements = entries.into_iter().map(movement).collect::<Result<_>>()?;
    }
    for (hour, records) in hashes(inventory, "records:").await? {
        // A field with a colon in its name notes stock that was given back; it is no record.
        for (name, value) in records.into_iter().filter(|(name, _)| !name.contains(':')) {
            let order = recorded_order(hour.parse()?, &name)?;
            stores
                .records
                .entry(order)
                .or_default()
                .push(record(&value)?);
        }
    }
    for (operator, from) in [(inventory, Owner::Payments), (payments, Owner::Inventory)] {
        let letters = entries(operator, "dead_letters").await?;
        stores
            .dead_letters
            .extend(letters.into_iter().map(|letter| dead_letter(from, letter)));
        let attempts: Vec<String> = operator.insist(&["HGETALL", "attempts"], LIMIT).await?;
        let counted = attempts.chunks(2).map(|pair| pair.join(": "));
        stores
            .attempts
            .extend(counted.map(|entry| format!("{} entry {entry}", from.name())));
    }
    Ok(stores)
}

/// All hashes whose keys begin with `prefix`, each with the rest of its key.
async fn hashes(operator: &Operator, prefix: &str) -> Result<Vec<(String, Fields)>> {
    let script = |page: &[String]| {
        let mut script = Cmd::new();
        script.arg("EVAL_RO").arg(HASHES).arg(page.len()).arg(page);
        script
    };
    let found: Vec<(String, Vec<String>)> = read_keys(operator, prefix, "hash", script).await?;
    Ok(found
        .into_iter()
        .map(|(name, words)| (name, pairs(words)))
        .collect())
}

/// All strings whose keys begin with `prefix`, each with the rest of its key.
async fn lines(operator: &Operator, prefix: &str) -> Result<Vec<(String, String)>> {
    let command = |page: &[String]| {
        let mut command = Cmd::new();
        command.arg("MGET").arg(page);
        command
    };
    read_keys(operator, prefix, "string", command).await
}

/// The answer of `command` for each key of type `kind` that begins with `prefix`, with the rest of
/// the key.
async fn read_keys<T: FromRedisValue>(
    operator: &Operator,
    prefix: &str,
    kind: &str,
    command: impl Fn(&[String]) -> Cmd,
) -> Result<Vec<(String, T)>> {
    let keys = keys(operator, prefix, kind).await?;
    let mut all = Vec::with_capacity(keys.len());
    for page in keys.chunks(PAGE) {
        let found: Vec<T> = ask(operator, &command(page)).await?;
        all.extend(
            page.iter()
                .map(|key| key[prefix.len()..].to_owned())
                .zip(found),
        );
    }
    Ok(all)
}

/// All keys of type `kind` that begin with `prefix`.
async fn keys(operator: &Operator, prefix: &str, kind: &str) -> Result<Vec<String>> {
    let (pattern, page) = (format!("{prefix}*"), PAGE.to_string());
    let mut keys = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let words = [
            "SCAN", &cursor, "MATCH", &pattern, "COUNT", &page, "TYPE", kind,
        ];
        let (next, found): (String, Vec<String>) = operator.insist(&words, LIMIT).await?;
        keys.extend(found);
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    // A scan may show a key more than once.
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// All entries of a stream.
async fn entries(operator: &Operator, key: &str) -> Result<Vec<(String, Fields)>> {
    let page = ENTRIES_PAGE.to_string();
    let mut all: Vec<(String, Fields)> = Vec::new();
    loop {
        let from = all
            .last()
            .map_or("-".to_owned(), |(last, _)| format!("({last}"));
        let words = ["XRANGE", key, &from, "+", "COUNT", &page];
        let found: Vec<(String, Vec<String>)> = operator.insist(&words, LIMIT).await?;
        if found.is_empty() {
            return Ok(all);
        }
        all.extend(found.into_iter().map(|(entry, fields)| {
            let mut fields = pairs(fields);
            fields.retain(|_, value| value.len() <= LONGEST_VALUE);
            (entry, fields)
        }));
    }
}

async fn read_stream(operator: &Operator, store: Owner) -> Result<Stream> {
    let key = stream(store).key;
    let entries = entries(operator, key)
        .await?
        .into_iter()
        .map(event)
        .collect::<Result<_>>()?;
    Ok(Stream {
        entries,
        ..standing(operator, key).await?
    })
}

/// The counters of a stream and the positions of its groups, without the entries.
pub(crate) async fn standing(operator: &Operator, key: &str) -> Result<Stream> {
    // The groups are read first: an entry that is emitted in between makes a group seem behind, and
    // never ahead.
    let found: Vec<HashMap<String, redis::Value>> =
        operator.insist(&["XINFO", "GROUPS", key], LIMIT).await?;
    let mut groups = BTreeMap::new();
    for group in found {
        let standing = (
            field(&group, "pending")?,
            field(&group, "last-delivered-id")?,
        );
        groups.insert(field(&group, "name")?, standing);
    }
    let info: HashMap<String, redis::Value> =
        operator.insist(&["XINFO", "STREAM", key], LIMIT).await?;
    let (added, last) = (
        field(&info, "entries-added")?,
        field(&info, "last-generated-id")?,
    );
    Ok(Stream {
        entries: Vec::new(),
        added,
        last,
        groups,
    })
}

async fn account(payments: &Operator) -> Result<Option<(i64, i64)>> {
    let kept: Vec<Option<i64>> = payments
        .insist(&["HMGET", "account", "charged", "refunded"], LIMIT)
        .await?;
    Ok(match kept[..] {
        [None, None] => None,
        [charged, refunded] => Some((charged.unwrap_or_default(), refunded.unwrap_or_default())),
        _ => bail!("the account is {kept:?}"),
    })
}

async fn ask<T: FromRedisValue>(operator: &Operator, script: &Cmd) -> Result<T> {
    Ok(operator.run(script).await?)
}

fn field<T: FromRedisValue>(info: &HashMap<String, redis::Value>, name: &str) -> Result<T> {
    let value = info
        .get(name)
        .with_context(|| format!("XINFO tells no {name}"))?;
    Ok(T::from_redis_value(value.clone())?)
}

fn pairs(words: Vec<String>) -> Fields {
    let mut words = words.into_iter();
    std::iter::from_fn(|| Some((words.next()?, words.next()?))).collect()
}
