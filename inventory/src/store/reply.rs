//! The replies of the functions in `lua/`, as the domain has them.

use std::fmt::Display;
use std::str::FromStr;

use shared::contract::event::RefundReason;
use shared::contract::id::ProductId;
use shared::contract::time::Timestamp;
use shared::redis::{RedisError, Reply};

use super::line;
use crate::domain::{ApplyOutcome, Change, Decision, Deletion, Release};

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

/// The outcome of a change: a code, and the product where the change was made.
pub(super) fn change(id: ProductId, reply: &[Reply]) -> Result<Change, RedisError> {
    match (reply.first().map_or(Ok(-1), Reply::int)?, reply.get(1)) {
        (1, Some(line)) => done(id, &line.clone().text()?),
        (0, _) => Ok(Change::NotFound),
        (3, _) => Ok(Change::OtherVersion),
        (4, _) => Ok(Change::TooMany),
        (other, _) => Err(unexpected("a change", other)),
    }
}

/// The outcome of a deletion.
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
    line::product(id, line).map(Change::Done)
}

/// The outcome of an order.
pub(super) fn outcome(reply: &Reply) -> Result<ApplyOutcome, RedisError> {
    use RefundReason::{InsufficientStock, ProductNotFound};
    Ok(match reply.int()? {
        1 => ApplyOutcome::Applied,
        2 => ApplyOutcome::Rejected(ProductNotFound),
        3 => ApplyOutcome::Rejected(InsufficientStock),
        4 => ApplyOutcome::Repeated(Decision::Applied),
        5 => ApplyOutcome::Repeated(Decision::Rejected(ProductNotFound)),
        6 => ApplyOutcome::Repeated(Decision::Rejected(InsufficientStock)),
        7 => ApplyOutcome::TooOld,
        8 => ApplyOutcome::TooNew,
        9 => ApplyOutcome::Repeated(Decision::Rejected(RefundReason::Released)),
        other => return Err(unexpected("apply_orders", other)),
    })
}

/// The outcome of a release.
pub(super) fn release(reply: &Reply) -> Result<Release, RedisError> {
    Ok(match reply.int()? {
        0 => Release::NotTaken,
        1 => Release::Released,
        2 => Release::Repeated,
        4 => Release::TooMany,
        other => return Err(unexpected("a release", other)),
    })
}

fn word<T: FromStr<Err: Display>>(word: Option<&str>) -> Result<T, RedisError> {
    let word = word.unwrap_or_default();
    word.parse()
        .map_err(|error| unexpected("a function", format!("{word}: {error}")))
}

fn unexpected(function: &str, found: impl Display) -> RedisError {
    RedisError::malformed(format!("the answer of {function}"), found)
}
