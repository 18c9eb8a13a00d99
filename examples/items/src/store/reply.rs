//! The replies of the functions in `lua/`, and the fields of hashes, as the domain has them.

use std::fmt::Display;
use std::str::FromStr;

use shared::contract::time::Timestamp;
use shared::redis::{RedisError, Reply};

use crate::domain::{Applied, Enqueued, Item, ItemId, Ticket, TicketId, TicketState};

/// The outcome of a request to queue a write.
pub(super) fn enqueued(item_id: &ItemId, outcome: &[Reply]) -> Result<Enqueued, RedisError> {
    match outcome {
        [full] if full.int()? == 0 => Ok(Enqueued::QueueFull),
        [full] if full.int()? == 2 => Ok(Enqueued::StreamFull),
        [queued, answer] if queued.int()? == 1 => self::queued(item_id, &answer.clone().text()?),
        _ => Err(unexpected(
            "enqueue_write",
            format!("{} values", outcome.len()),
        )),
    }
}

/// A write that was queued: the answer has its ticket, its version, and when it was queued.
pub(super) fn queued(item_id: &ItemId, answer: &str) -> Result<Enqueued, RedisError> {
    let mut words = answer.split(' ');
    Ok(Enqueued::Queued(Ticket {
        id: word(words.next())?,
        item_id: item_id.clone(),
        version: word(words.next())?,
        state: TicketState::Queued,
        queued_at: Timestamp::from_millis(word(words.next())?),
    }))
}

/// The outcome of a write.
pub(super) fn applied(reply: &Reply) -> Result<Applied, RedisError> {
    Ok(match reply.int()? {
        1 => Applied::Now,
        2 => Applied::Superseded,
        3 => Applied::Before,
        4 => Applied::Damaged,
        other => return Err(unexpected("apply_writes", other)),
    })
}

/// The item in the fields of its hash.
pub(super) fn item(
    id: &ItemId,
    [version, updated_at, value]: [Reply; 3],
) -> Result<Item, RedisError> {
    Ok(Item {
        id: id.clone(),
        value: value.text()?,
        version: version.unsigned()?,
        updated_at: timestamp(&updated_at)?,
    })
}

/// The ticket in the fields of its hash, and the entry of its write if the write waits.
pub(super) fn ticket(
    id: TicketId,
    fields: [Reply; 8],
) -> Result<(Ticket, Option<String>), RedisError> {
    let [
        version,
        status,
        item,
        queued_at,
        ended_at,
        superseded,
        reason,
        entry,
    ] = fields;
    let state = match status.text()?.as_str() {
        "queued" => TicketState::Queued,
        "applied" => TicketState::Applied {
            at: timestamp(&ended_at)?,
            superseded: superseded.text()? == "1",
        },
        "failed" => TicketState::Failed {
            at: timestamp(&ended_at)?,
            reason: reason.text()?,
        },
        other => return Err(RedisError::malformed("the status of a ticket", other)),
    };
    let item = item.text()?;
    let item_id = item.parse();
    let ticket = Ticket {
        id,
        item_id: item_id.map_err(|error| RedisError::malformed(item, error))?,
        version: version.unsigned()?,
        state,
        queued_at: timestamp(&queued_at)?,
    };
    // A store of an older build has tickets without the field.
    let entry = (!entry.is_null()).then(|| entry.text()).transpose()?;
    Ok((ticket, entry))
}

fn timestamp(reply: &Reply) -> Result<Timestamp, RedisError> {
    Ok(Timestamp::from_millis(reply.unsigned()?))
}

fn word<T: FromStr<Err: Display>>(word: Option<&str>) -> Result<T, RedisError> {
    let word = word.unwrap_or_default();
    word.parse()
        .map_err(|error| unexpected("enqueue_write", format!("{word}: {error}")))
}

fn unexpected(function: &str, found: impl Display) -> RedisError {
    RedisError::malformed(format!("the answer of {function}"), found)
}
