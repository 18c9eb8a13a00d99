//! What the functions answer, and what the store keeps, as the domain has it.

use std::fmt::Display;
use std::str::FromStr;

use shared::contract::entry_id::EntryId;
use shared::contract::event::RefundReason;
use shared::contract::id::ProductId;
use shared::contract::time::Timestamp;
use shared::redis::{Entry, RedisError, Reply};

use crate::domain::{
    Change, Decision, Deletion, Movement, MovementKind, Note, OrderRecord, Outcome, Product,
    ProductName, Release,
};
use crate::keys;

/// What the store keeps, as an error names it.
const PRODUCT: &str = "a product";
const MOVEMENT: &str = "a movement";
const RECORD: &str = "the record of an order";

/// Milliseconds after which the time in a record would be the same again.
const SHORTENED_BY: u64 = 1_000_000_000_000;

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
    Ok((
        word(words.next())?,
        Timestamp::from_millis(word(words.next())?),
    ))
}

/// What became of a change: a code, and the product where it was made.
pub(super) fn change(id: ProductId, reply: &[Reply]) -> Result<Change, RedisError> {
    match (reply.first().map_or(Ok(-1), Reply::int)?, reply.get(1)) {
        (1, Some(line)) => done(id, &line.clone().text()?),
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

/// The line of a product that was changed.
pub(super) fn done(id: ProductId, line: &str) -> Result<Change, RedisError> {
    product(id, line).map(Change::Done)
}

/// What stands under the key of a product; `None` for a tombstone.
pub(super) fn product_or_tombstone(
    id: ProductId,
    line: &[u8],
) -> Result<Option<Product>, RedisError> {
    let line = std::str::from_utf8(line).map_err(|error| broken(PRODUCT, error))?;
    match line.strip_prefix("deleted ") {
        Some(at) => part::<u64>(PRODUCT, Some(at)).map(|_| None),
        None => product(id, line).map(Some),
    }
}

/// The line of a product, as `lua/common/product_line.lua` writes it.
fn product(id: ProductId, line: &str) -> Result<Product, RedisError> {
    let (values, _) = line
        .split_once('\t')
        .ok_or_else(|| broken(PRODUCT, "it is cut off"))?;
    let mut values = values.splitn(6, ' ');
    let version = part(PRODUCT, values.next())?;
    let quantity = part(PRODUCT, values.next())?;
    let updated_at = Timestamp::from_millis(part(PRODUCT, values.next())?);
    let price = part(PRODUCT, values.next())?;
    let created_at = Timestamp::from_millis(part(PRODUCT, values.next())?);
    let name = values.next().filter(|name| !name.is_empty());
    let name = name
        .map(ProductName::stored)
        .ok_or_else(|| broken(PRODUCT, "it has no name"))?;
    Ok(Product {
        id,
        name,
        price,
        quantity,
        version,
        created_at,
        updated_at,
    })
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
        8 => Outcome::TooNew,
        9 => Outcome::Repeated(Decision::Rejected(RefundReason::Released)),
        other => return Err(unexpected("apply_orders", other)),
    })
}

/// What a release came to.
pub(super) fn release(reply: &Reply) -> Result<Release, RedisError> {
    Ok(match reply.int()? {
        0 => Release::NotTaken,
        1 => Release::Released,
        2 => Release::Repeated,
        3 => Release::Unproved,
        4 => Release::TooMany,
        5 => Release::RefundAdded,
        other => return Err(unexpected("a release", other)),
    })
}

/// What stands in the record of an order: its movement, or why there is none.
pub(super) fn record(hour: u64, text: &str) -> Result<OrderRecord, RedisError> {
    use RefundReason::{InsufficientStock, ProductNotFound};
    Ok(match text {
        "2" => OrderRecord::Rejected(ProductNotFound),
        "3" => OrderRecord::Rejected(InsufficientStock),
        "4" => OrderRecord::Released,
        entry => OrderRecord::Applied(recorded_movement(hour, entry)?),
    })
}

/// The first digit of its time is left out: it is the one with which it lies nearest to its order.
fn recorded_movement(hour: u64, text: &str) -> Result<EntryId, RedisError> {
    let (ms, sequence) = text.split_once('-').ok_or_else(|| broken(RECORD, text))?;
    let ms: u64 = part(RECORD, Some(ms))?;
    let near = keys::hour_start(hour).as_millis() + SHORTENED_BY / 2;
    let ms = ms + near.saturating_sub(ms) / SHORTENED_BY * SHORTENED_BY;
    part(RECORD, Some(&format!("{ms}-{sequence}")))
}

/// A movement as its entry has it: one field, whose name is its kind.
pub(super) fn movement(entry: &Entry) -> Result<Movement, RedisError> {
    let Some([(kind, text)]) = entry.fields.as_deref() else {
        return Err(broken(MOVEMENT, &entry.id));
    };
    let [kind, text] = [kind, text].map(|bytes| String::from_utf8_lossy(bytes));
    let kind = part(MOVEMENT, Some(&kind))?;
    let mut parts = text.splitn(3, ' ');
    let delta = part(MOVEMENT, parts.next())?;
    let balance = part(MOVEMENT, parts.next())?;
    let about = parts.next();
    let is_of_order = matches!(kind, MovementKind::Sale | MovementKind::Release);
    let (order, note) = if is_of_order {
        (about, None)
    } else {
        (None, about)
    };
    Ok(Movement {
        id: part(MOVEMENT, Some(&entry.id))?,
        kind,
        delta,
        balance,
        order_id: order.map(|order| part(MOVEMENT, Some(order))).transpose()?,
        note: note.map(Note::stored),
    })
}

fn part<T: FromStr<Err: Display>>(what: &str, text: Option<&str>) -> Result<T, RedisError> {
    let text = text.unwrap_or_default();
    text.parse()
        .map_err(|error| broken(what, format!("{text}: {error}")))
}

fn broken(what: &str, why: impl Display) -> RedisError {
    RedisError::Refused(format!("{what} is broken: {why}"))
}

fn word<T: FromStr<Err: Display>>(word: Option<&str>) -> Result<T, RedisError> {
    let word = word.unwrap_or_default();
    word.parse()
        .map_err(|error| unexpected("a function", format!("{word}: {error}")))
}

fn unexpected(function: &str, found: impl Display) -> RedisError {
    RedisError::Refused(format!("{function} answered {found}"))
}
