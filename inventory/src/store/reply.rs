//! What the functions answer, and what the store keeps, as the domain has it.

use std::fmt::Display;
use std::str::FromStr;

use shared::event::RefundReason;
use shared::id::ProductId;
use shared::record::Record;
use shared::redis::{Entry, RedisError, Reply};
use shared::time::Timestamp;

use crate::domain::{Change, Decision, Deletion, Movement, OrderRecord, Outcome, Product, Release};

/// The time that `create_product` answers.
pub(super) fn created_at(times: &[Reply]) -> Result<Timestamp, RedisError> {
    match times {
        [at] => Ok(Timestamp::from_millis(at.unsigned()?)),
        _ => Err(unexpected("create_product", "no time")),
    }
}

/// What `create_product` remembers of a product: its id, and when it was created.
pub(super) fn creation(answer: &str) -> Result<(ProductId, Timestamp), RedisError> {
    let mut words = answer.split(' ');
    Ok((word(words.next())?, Timestamp::from_millis(word(words.next())?)))
}

/// What became of a change: a code, and the product where it was made.
pub(super) fn change(reply: &[Reply]) -> Result<Change, RedisError> {
    match (reply.first().map_or(Ok(-1), Reply::int)?, reply.get(1)) {
        (1, Some(line)) => product(&line.clone().text()?).map(Change::Done),
        (0, _) => Ok(Change::NotFound),
        (3, _) => Ok(Change::OtherVersion),
        (4, _) => Ok(Change::TooMany),
        (other, _) => Err(unexpected("a change", other)),
    }
}

/// What became of a wish to delete.
pub(super) fn deletion(reply: &Reply) -> Result<Deletion, RedisError> {
    match reply.int()? {
        1 => Ok(Deletion::Deleted),
        0 => Ok(Deletion::NotFound),
        3 => Ok(Deletion::OtherVersion),
        other => Err(unexpected("delete_product", other)),
    }
}

/// A product in one line, as the functions answer and remember it. The name comes last, because
/// there may be spaces in it.
pub(super) fn product(line: &str) -> Result<Product, RedisError> {
    let mut words = line.splitn(7, ' ');
    let id = word(words.next())?;
    let version = word(words.next())?;
    let price = word(words.next())?;
    let quantity = word(words.next())?;
    let created_at = Timestamp::from_millis(word(words.next())?);
    let updated_at = Timestamp::from_millis(word(words.next())?);
    let name = word(words.next())?;
    Ok(Product { id, name, price, quantity, version, created_at, updated_at })
}

/// What became of an order.
pub(super) fn outcome(reply: &Reply) -> Result<Outcome, RedisError> {
    use RefundReason::{InsufficientStock, ProductNotFound};
    Ok(match reply.int()? {
        1 => Outcome::Applied,
        2 => Outcome::Rejected(ProductNotFound),
        3 => Outcome::Rejected(InsufficientStock),
        4 => Outcome::Repeated(Decision::Applied),
        5 => Outcome::Repeated(Decision::Rejected(ProductNotFound)),
        6 => Outcome::Repeated(Decision::Rejected(InsufficientStock)),
        7 => Outcome::TooOld,
        other => return Err(unexpected("apply_orders", other)),
    })
}

/// What became of the wish to give stock back.
pub(super) fn release(reply: &Reply) -> Result<Release, RedisError> {
    Ok(match reply.int()? {
        1 | 2 => Release::Released,
        0 => Release::NotTaken,
        4 => Release::TooMany,
        other => return Err(unexpected("release_order", other)),
    })
}

/// What stands in the record of an order: the id of its movement, or why there is none.
pub(super) fn record(text: &str) -> Result<OrderRecord, RedisError> {
    use RefundReason::{InsufficientStock, ProductNotFound};
    Ok(match text {
        "2" => OrderRecord::Rejected(ProductNotFound),
        "3" => OrderRecord::Rejected(InsufficientStock),
        "4" => OrderRecord::Released,
        entry => OrderRecord::Applied(word(Some(entry))?),
    })
}

/// What is kept of a product.
pub(super) const PRODUCT_FIELDS: &[&str] =
    &["version", "id", "name", "price", "quantity", "created_at", "updated_at", "deleted_at"];

/// A product as its hash has it; `None` for a tombstone.
pub(super) fn product_record(record: &Record) -> Result<Option<Product>, RedisError> {
    if record.has("deleted_at") {
        return Ok(None);
    }
    Ok(Some(Product {
        id: record.parse("id")?,
        name: record.parse("name")?,
        price: record.parse("price")?,
        quantity: record.parse("quantity")?,
        version: record.parse("version")?,
        created_at: record.time("created_at")?,
        updated_at: record.time("updated_at")?,
    }))
}

/// A movement as its entry has it.
pub(super) fn movement(entry: &Entry) -> Result<Movement, RedisError> {
    let record = Record::of_entry(entry.fields.as_deref().unwrap_or_default());
    Ok(Movement {
        id: word(Some(&entry.id))?,
        kind: record.parse("kind")?,
        delta: record.parse("delta")?,
        balance: record.parse("balance")?,
        order_id: record.optional("order_id")?,
        note: record.optional("note")?,
    })
}

fn word<T: FromStr<Err: Display>>(word: Option<&str>) -> Result<T, RedisError> {
    let word = word.unwrap_or_default();
    word.parse().map_err(|error| unexpected("a function", format!("{word}: {error}")))
}

fn unexpected(function: &str, found: impl Display) -> RedisError {
    RedisError::Refused(format!("{function} answered {found}"))
}
