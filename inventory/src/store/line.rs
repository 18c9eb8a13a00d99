//! The texts that the store keeps: lines of products, records of orders, and movements. The files
//! in `lua/common` say what stands in them.

use std::fmt::Display;
use std::str::FromStr;

use shared::base::pieces::Pieces;
use shared::contract::entry_id::EntryId;
use shared::contract::event::RefundReason;
use shared::contract::id::ProductId;
use shared::contract::time::Timestamp;
use shared::redis::{Entry, RedisError};

use crate::domain::{Movement, MovementKind, Note, OrderRecord, Product, ProductName};
use crate::keys;

/// The names of these texts in errors.
const PRODUCT: &str = "a product";
const MOVEMENT: &str = "a movement";
const RECORD: &str = "the record of an order";

/// A record leaves out the first digit of a time, so its times repeat after this number of
/// milliseconds.
const SHORTENED_BY: u64 = 1_000_000_000_000;

/// The product in a line; `None` for a tombstone.
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

/// The product in the line of a product.
pub(super) fn product(id: ProductId, line: &str) -> Result<Product, RedisError> {
    let mut parts = Pieces::<b'\t'>::of(line);
    let (values, others) = (parts.next().unwrap_or_default(), parts.rest());
    if others.is_none() {
        return Err(broken(PRODUCT, "it is cut off"));
    }
    let mut values = Pieces::<b' '>::of(values);
    let version = part(PRODUCT, values.next())?;
    let quantity = part(PRODUCT, values.next())?;
    let updated_at = Timestamp::from_millis(part(PRODUCT, values.next())?);
    let price = part(PRODUCT, values.next())?;
    let created_at = Timestamp::from_millis(part(PRODUCT, values.next())?);
    let name = values.rest().filter(|name| !name.is_empty());
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

/// The record of an order: its movement, or why it has none.
pub(super) fn record(hour: u64, text: &str) -> Result<OrderRecord, RedisError> {
    use RefundReason::{InsufficientStock, ProductNotFound};
    Ok(match text {
        "2" => OrderRecord::Rejected(ProductNotFound),
        "3" => OrderRecord::Rejected(InsufficientStock),
        "4" => OrderRecord::Released,
        entry => OrderRecord::Applied(recorded_movement(hour, entry)?),
    })
}

/// The id of the movement in a record. The record leaves out the first digit of the time, so this
/// takes the possible time that is nearest to the hour of the order.
fn recorded_movement(hour: u64, text: &str) -> Result<EntryId, RedisError> {
    let (ms, sequence) = text.split_once('-').ok_or_else(|| broken(RECORD, text))?;
    let ms: u64 = part(RECORD, Some(ms))?;
    let near = keys::hour_start(hour).as_millis() + SHORTENED_BY / 2;
    let ms = ms + near.saturating_sub(ms) / SHORTENED_BY * SHORTENED_BY;
    part(RECORD, Some(&format!("{ms}-{sequence}")))
}

/// The movement in an entry. The entry has one field, whose name is the kind of movement.
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
    RedisError::malformed(what, why)
}
