//! Reads both stores as their operator, page by page.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use redis::{Cmd, FromRedisValue};

use super::stores::{DeadLetter, Event, Movement, Order, Product, Record, Stores, Stream};
use crate::{
    chaos::stores::{Operators, POISON_MARK, stream},
    operator::Operator,
    redis::Store,
};

/// What is read with one command.
const PAGE: usize = 500;
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Characters of an order id that inventory records it under.
const RECORD_LENGTH: usize = 30;
const LIMIT: Duration = Duration::from_secs(20);
/// The hashes of these keys, in the same order.
const HASHES: &str = r"
local answer = {}
for i, key in ipairs(KEYS) do answer[i] = redis.call('HGETALL', key) end
return answer";

/// The fields of one hash or entry.
type Fields = HashMap<String, String>;

/// Everything the checker needs of both stores.
pub(crate) async fn read(operators: &Operators) -> Result<Stores> {
    let (inventory, payments) = (&*operators.inventory, &*operators.payments);
    let mut stores = Stores {
        orders: lines(payments, "order:").await?.into_iter().map(order).collect::<Result<_>>()?,
        due: payments.insist(&["ZRANGE", "due", "0", "-1"], LIMIT).await?,
        account: account(payments).await?,
        completed: read_stream(payments, Store::Payments).await?,
        refunds: read_stream(inventory, Store::Inventory).await?,
        ..Stores::default()
    };
    for (id, line) in lines(inventory, "product:").await? {
        let deleted = line.starts_with("deleted ");
        let stock = if deleted { None } else { Some(word(&line, 1)?.parse()?) };
        stores.products.insert(id, Product { stock, deleted, movements: Vec::new() });
    }
    for (id, product) in &mut stores.products {
        let entries = entries(inventory, &format!("movements:{id}")).await?;
        product.movements = entries.into_iter().map(movement).collect::<Result<_>>()?;
    }
    for (hour, bucket) in hashes(inventory, "applied:").await? {
        for (name, value) in bucket {
            let order = recorded_order(hour.parse()?, &name)?;
            stores.records.entry(order).or_default().push(record(&value)?);
        }
    }
    for (operator, from) in [(inventory, Store::Payments), (payments, Store::Inventory)] {
        let letters = entries(operator, "dead_letters").await?;
        stores.dead_letters.extend(letters.into_iter().map(|letter| dead_letter(from, letter)));
        let attempts: Vec<String> = operator.insist(&["HGETALL", "attempts"], LIMIT).await?;
        let counted = attempts.chunks(2).map(|pair| pair.join(": "));
        stores.attempts.extend(counted.map(|entry| format!("{} entry {entry}", from.name())));
    }
    Ok(stores)
}

/// All hashes whose keys begin so, by the rest of their keys.
async fn hashes(operator: &Operator, prefix: &str) -> Result<Vec<(String, Fields)>> {
    let script = |page: &[String]| {
        let mut script = Cmd::new();
        script.arg("EVAL_RO").arg(HASHES).arg(page.len()).arg(page);
        script
    };
    let found: Vec<(String, Vec<String>)> = read_keys(operator, prefix, "hash", script).await?;
    Ok(found.into_iter().map(|(name, words)| (name, pairs(words))).collect())
}

/// All texts whose keys begin so, by the rest of their keys.
async fn lines(operator: &Operator, prefix: &str) -> Result<Vec<(String, String)>> {
    let command = |page: &[String]| {
        let mut command = Cmd::new();
        command.arg("MGET").arg(page);
        command
    };
    read_keys(operator, prefix, "string", command).await
}

/// What `command` answers for each key of a type that begins so, by the rest of the key.
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
        all.extend(page.iter().map(|key| key[prefix.len()..].to_owned()).zip(found));
    }
    Ok(all)
}

/// All keys of a type that begin so.
async fn keys(operator: &Operator, prefix: &str, kind: &str) -> Result<Vec<String>> {
    let (pattern, page) = (format!("{prefix}*"), PAGE.to_string());
    let mut keys = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let words = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", &page, "TYPE", kind];
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
    let page = PAGE.to_string();
    let mut all: Vec<(String, Fields)> = Vec::new();
    loop {
        let from = all.last().map_or("-".to_owned(), |(last, _)| format!("({last}"));
        let words = ["XRANGE", key, &from, "+", "COUNT", &page];
        let found: Vec<(String, Vec<String>)> = operator.insist(&words, LIMIT).await?;
        if found.is_empty() {
            return Ok(all);
        }
        all.extend(found.into_iter().map(|(entry, fields)| (entry, pairs(fields))));
    }
}

async fn read_stream(operator: &Operator, store: Store) -> Result<Stream> {
    let key = stream(store).key;
    let entries = entries(operator, key).await?.into_iter().map(event).collect::<Result<_>>()?;
    Ok(Stream { entries, ..standing(operator, key).await? })
}

/// How far a stream and its groups have come, without the entries.
pub(crate) async fn standing(operator: &Operator, key: &str) -> Result<Stream> {
    // The groups first: what is emitted in between makes them seem behind, never ahead.
    let found: Vec<HashMap<String, redis::Value>> =
        operator.insist(&["XINFO", "GROUPS", key], LIMIT).await?;
    let mut groups = BTreeMap::new();
    for group in found {
        let standing = (field(&group, "pending")?, field(&group, "last-delivered-id")?);
        groups.insert(field(&group, "name")?, standing);
    }
    let info: HashMap<String, redis::Value> =
        operator.insist(&["XINFO", "STREAM", key], LIMIT).await?;
    let (added, last) = (field(&info, "entries-added")?, field(&info, "last-generated-id")?);
    Ok(Stream { entries: Vec::new(), added, last, groups })
}

async fn account(payments: &Operator) -> Result<Option<(i64, i64)>> {
    let kept: Vec<Option<i64>> =
        payments.insist(&["HMGET", "account", "charged", "refunded"], LIMIT).await?;
    Ok(match kept[..] {
        [None, None] => None,
        [charged, refunded] => Some((charged.unwrap_or_default(), refunded.unwrap_or_default())),
        _ => bail!("the account is {kept:?}"),
    })
}

/// What was placed, and then what happened, each thing with its time and what belongs to it.
fn order((id, line): (String, String)) -> Result<(String, Order)> {
    let values: Vec<&str> = line.split(' ').collect();
    let (placed, later) = values.split_at_checked(9).with_context(|| format!("{id} is {line}"))?;
    let money = |place: usize| cents(placed[place]).with_context(|| format!("order {id}"));
    let mut order = Order {
        status: "pending".to_owned(),
        quantity: placed[0].parse()?,
        price: money(1)?,
        fee: money(2)?,
        total: money(3)?,
        product: placed[4].to_owned(),
        request: placed[6].to_owned(),
        created_at: placed[7].parse()?,
        ..Order::default()
    };
    let (last, paid_at, cancelled_at, refunded_at) = match *later {
        [] => ("pending", None, None, None),
        [last @ "cancelled", at] => (last, None, Some(at), None),
        [last @ "paid", at, _] => (last, Some(at), None, None),
        ["paid", at, _, last @ "refunded", back, _, _] => (last, Some(at), None, Some(back)),
        _ => bail!("{id} is {line}"),
    };
    let time = |text: Option<&str>| text.map(str::parse).transpose();
    last.clone_into(&mut order.status);
    order.paid_at = time(paid_at)?;
    order.cancelled_at = time(cancelled_at)?;
    order.refunded_at = time(refunded_at)?;
    Ok((id, order))
}

/// A movement is one field, named as its kind.
fn movement((entry, fields): (String, Fields)) -> Result<Movement> {
    let (kind, text) = fields.into_iter().next().context("a movement without a field")?;
    let (delta, balance) = (word(&text, 0)?.parse()?, word(&text, 1)?.parse()?);
    let about = text.splitn(3, ' ').nth(2).map(str::to_owned);
    let is_of_order = matches!(kind.as_str(), "sale" | "release");
    let (order, note) = if is_of_order { (about, None) } else { (None, about) };
    Ok(Movement { entry, kind, delta, balance, order, note })
}

fn word(line: &str, place: usize) -> Result<&str> {
    line.split(' ').nth(place).with_context(|| format!("no word {place} in {line:?}"))
}

/// What an id ends with is what its order is recorded under. The beginning is that of a time within
/// the hour. Another name is nobody's order.
fn recorded_order(hour: u64, name: &str) -> Result<String> {
    if name.len() != RECORD_LENGTH {
        return Ok(name.to_owned());
    }
    let (begins, ends) = (hour * HOUR_MS, (hour + 1) * HOUR_MS);
    let low = u64::from_str_radix(&name.get(..7).context("a short name")?.replace('-', ""), 16)?;
    let high = [begins >> 24, ends >> 24].into_iter();
    let mut high = high.filter(|high| (begins..ends).contains(&(high << 24 | low)));
    let high = high.next().with_context(|| format!("{name} is not of hour {hour}"))?;
    Ok(format!("{high:06x}{name}"))
}

/// What was applied is recorded as the id of its movement, without the first digit, which will be
/// the same until 2033. Everything else is a number.
fn record(value: &str) -> Result<Record> {
    match value {
        "2" | "3" | "4" => Ok(Record::Refused),
        movement if movement.contains('-') => Ok(Record::Applied(format!("1{value}"))),
        _ => bail!("an order is recorded as {value}"),
    }
}

fn event((entry, mut fields): (String, Fields)) -> Result<Event> {
    let poison = fields.contains_key(POISON_MARK);
    let total = fields.get("total").map(|text| cents(text)).transpose()?;
    // What is planted may have any quantity.
    let quantity = fields.get("quantity").and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    let (order, product) = (text("order_id"), text("product_id"));
    Ok(Event { entry, order, product, quantity, total: total.unwrap_or_default(), poison })
}

fn dead_letter(from: Store, (_, mut fields): (String, Fields)) -> DeadLetter {
    let poison = fields.contains_key(POISON_MARK);
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    let (entry, reason, order) = (text("dl_entry_id"), text("dl_reason"), text("order_id"));
    DeadLetter { from, entry, reason, order, poison }
}

async fn ask<T: FromRedisValue>(operator: &Operator, script: &Cmd) -> Result<T> {
    Ok(operator.run(script).await?)
}

fn field<T: FromRedisValue>(info: &HashMap<String, redis::Value>, name: &str) -> Result<T> {
    let value = info.get(name).with_context(|| format!("XINFO tells no {name}"))?;
    Ok(T::from_redis_value(value.clone())?)
}

fn pairs(words: Vec<String>) -> Fields {
    let mut words = words.into_iter();
    std::iter::from_fn(|| Some((words.next()?, words.next()?))).collect()
}

/// An amount with two decimals, in cents.
fn cents(text: &str) -> Result<i64> {
    let (whole, part) = text.split_once('.').with_context(|| format!("no amount: {text:?}"))?;
    anyhow::ensure!(part.len() == 2, "no two decimals: {text:?}");
    let (whole, part): (i64, i64) = (whole.parse()?, part.parse()?);
    Ok(whole * 100 + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_to_the_cent() {
        assert_eq!(cents("19.90").unwrap(), 1_990);
        assert_eq!(cents("0.05").unwrap(), 5);
        assert!(cents("19.9").is_err());
        assert!(cents("19").is_err());
        assert!(cents("1e3").is_err());
    }

    #[test]
    fn an_order_is_known_by_its_hour_and_the_end_of_its_id() {
        for ms in [0x1a1_ffff_ffff_u64, 0x1a2_0000_0000, 0x1a1_f866_0d7b] {
            let id = format!("{:08x}-{:04x}-7000-8000-2f0d6a1b9c3e", ms >> 16, ms & 0xffff);
            let hour = ms / HOUR_MS;
            assert_eq!(recorded_order(hour, &id[6..]).unwrap(), id);
            assert!(recorded_order(hour + 2, &id[6..]).is_err());
        }
    }

    #[test]
    fn a_record_is_a_movement_or_a_refusal() {
        assert_eq!(record("7-0").unwrap(), Record::Applied("17-0".to_owned()));
        assert_eq!(record("3").unwrap(), Record::Refused);
        assert!(record("1").is_err());
    }
}
