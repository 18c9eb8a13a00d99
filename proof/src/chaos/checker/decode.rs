//! Parses the keys, fields and lines of both stores.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use stack::redis::Owner;

use super::stores::{DeadLetter, Event, Movement, Order, Record};
use crate::chaos::stores::POISON_MARK;

const HOUR_MS: u64 = 60 * 60 * 1_000;
/// inventory records an order under this number of characters, the last ones of the order id.
const RECORD_LENGTH: usize = 30;

/// The fields of one hash or entry.
pub(super) type Fields = HashMap<String, String>;

/// An order line: first the order as it was placed, then each thing that happened to it, with its
/// time and its other values.
pub(super) fn order((id, line): (String, String)) -> Result<(String, Order)> {
    let values: Vec<&str> = line.split(' ').collect();
    let (placed, later) = values
        .split_at_checked(9)
        .with_context(|| format!("{id} is {line}"))?;
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

/// A movement: the entry has one field, whose name is the kind of the movement.
pub(super) fn movement((entry, fields): (String, Fields)) -> Result<Movement> {
    let (kind, text) = fields
        .into_iter()
        .next()
        .context("a movement without a field")?;
    let (delta, balance) = (word(&text, 0)?.parse()?, word(&text, 1)?.parse()?);
    let about = text.splitn(3, ' ').nth(2).map(str::to_owned);
    let is_of_order = matches!(kind.as_str(), "sale" | "release");
    let (order, note) = if is_of_order {
        (about, None)
    } else {
        (None, about)
    };
    Ok(Movement {
        entry,
        kind,
        delta,
        balance,
        order,
        note,
    })
}

pub(super) fn word(line: &str, place: usize) -> Result<&str> {
    line.split(' ')
        .nth(place)
        .with_context(|| format!("no word {place} in {line:?}"))
}

/// The order id behind the name of a record. The name is the end of the id. The six characters
/// before it are the upper part of the id's time, and follow from the hour in the key. A name of
/// another length is answered as it is, and matches no order.
pub(super) fn recorded_order(hour: u64, name: &str) -> Result<String> {
    if name.len() != RECORD_LENGTH {
        return Ok(name.to_owned());
    }
    let (begins, ends) = (hour * HOUR_MS, (hour + 1) * HOUR_MS);
    let low = u64::from_str_radix(&name.get(..7).context("a short name")?.replace('-', ""), 16)?;
    let high = [begins >> 24, ends >> 24].into_iter();
    let mut high = high.filter(|high| (begins..ends).contains(&(high << 24 | low)));
    let high = high
        .next()
        .with_context(|| format!("{name} is not of hour {hour}"))?;
    Ok(format!("{high:06x}{name}"))
}

/// The record of an order. For an applied order it is the id of the movement without its first
/// digit, which is 1 until 2033. For a refused or released order it is a number.
pub(super) fn record(value: &str) -> Result<Record> {
    match value {
        "2" | "3" | "4" => Ok(Record::Refused),
        movement if movement.contains('-') => Ok(Record::Applied(format!("1{value}"))),
        _ => bail!("an order is recorded as {value}"),
    }
}

pub(super) fn event((entry, mut fields): (String, Fields)) -> Result<Event> {
    let poison = fields.contains_key(POISON_MARK);
    let total = fields.get("total").map(|text| cents(text)).transpose()?;
    // A poison entry may have anything as its quantity.
    let quantity = fields
        .get("quantity")
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    let (order, product) = (text("order_id"), text("product_id"));
    Ok(Event {
        entry,
        order,
        product,
        quantity,
        total: total.unwrap_or_default(),
        poison,
    })
}

pub(super) fn dead_letter(from: Owner, (_, mut fields): (String, Fields)) -> DeadLetter {
    let poison = fields.contains_key(POISON_MARK);
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    let (entry, reason, order) = (text("dl_entry_id"), text("dl_reason"), text("order_id"));
    DeadLetter {
        from,
        entry,
        reason,
        order,
        poison,
    }
}

/// An amount with two decimals, in cents.
fn cents(text: &str) -> Result<i64> {
    let (whole, part) = text
        .split_once('.')
        .with_context(|| format!("no amount: {text:?}"))?;
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
            let id = format!(
                "{:08x}-{:04x}-7000-8000-2f0d6a1b9c3e",
                ms >> 16,
                ms & 0xffff
            );
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
