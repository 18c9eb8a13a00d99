//! The replies of the functions in `lua/`, as the domain has them.

use std::fmt::Display;
use std::time::Duration;

use shared::contract::time::Timestamp;
use shared::redis::{Code, RedisError, Reply};
use shared::store::claim::Once;

use super::place::Placed;
use crate::domain::{Account, Cancellation, Completion, Refund};

/// The outcome of each placement, in their order.
pub(super) fn placements(
    reply: Reply,
    delay: Duration,
    count: usize,
) -> Result<Vec<Result<Placed, RedisError>>, RedisError> {
    let mut replies = reply.list_of(1 + count)?.into_iter();
    let now = replies
        .next()
        .ok_or_else(|| unexpected("place_orders", "nothing"))?;
    let now = timestamp(&now)?;
    replies
        .map(|reply| Ok(placement(&reply.text()?, now, delay)))
        .collect()
}

fn placement(reply: &str, now: Timestamp, delay: Duration) -> Result<Placed, RedisError> {
    let time = |text: &str| text.parse().map(Timestamp::from_millis);
    match reply.split(' ').collect::<Vec<_>>()[..] {
        ["1"] => Ok(Once::Now((now, now.later_by(delay)))),
        ["2", id] => Ok(Once::Before(id.to_owned())),
        ["3"] => Ok(Once::KeyReused),
        ["4", created_at, due] => match (time(created_at), time(due)) {
            (Ok(created_at), Ok(due)) => Ok(Once::Now((created_at, due))),
            _ => Err(unexpected("place_orders", reply)),
        },
        ["5"] => Err(RedisError::not_now(
            Code::Clock,
            "the id of the order is from another day",
        )),
        ["6"] => Err(RedisError::not_now(
            Code::Damaged,
            "the line under the id of the order is damaged",
        )),
        _ => Err(unexpected("place_orders", reply)),
    }
}

pub(super) fn completion(reply: Reply) -> Result<Completion, RedisError> {
    let mut items = reply.list()?.into_iter();
    let mut number = || -> Result<i64, RedisError> {
        Ok(items
            .next()
            .ok_or_else(|| unexpected("complete_due", "too little"))?
            .int()?)
    };
    let (count, wait_ms, removed) = (number()?, number()?, number()?);
    let mut paid = items.map(Reply::text).collect::<Result<Vec<String>, _>>()?;
    let broken = paid.split_off(usize::try_from(count).unwrap_or_default().min(paid.len()));
    Ok(Completion {
        paid,
        broken,
        removed: u64::try_from(removed).unwrap_or_default(),
        next_due_in: u64::try_from(wait_ms).ok().map(Duration::from_millis),
    })
}

pub(super) fn cancellation(outcome: &[Reply]) -> Result<Cancellation, RedisError> {
    match outcome.first().map_or(Ok(-1), Reply::int)? {
        1 => Ok(Cancellation::Cancelled),
        3 => Ok(Cancellation::TooLate),
        4 => Ok(Cancellation::OtherVersion),
        0 => Ok(Cancellation::NotFound),
        other => Err(unexpected("cancel_order", other)),
    }
}

pub(super) fn refund(reply: &Reply) -> Result<Refund, RedisError> {
    Ok(match reply.int()? {
        1 => Refund::Refunded,
        2 => Refund::Repeated,
        3 => Refund::NotPaid,
        4 => Refund::OtherOrder,
        0 => Refund::NotFound,
        other => return Err(unexpected("refund_orders", other)),
    })
}

pub(super) fn account(reply: Reply) -> Result<Account, RedisError> {
    let [at, charged, refunded] = reply.exactly("sums")?;
    Ok(Account {
        at: timestamp(&at)?,
        charged: charged.unsigned()?,
        refunded: refunded.unsigned()?,
    })
}

fn timestamp(reply: &Reply) -> Result<Timestamp, RedisError> {
    Ok(Timestamp::from_millis(reply.unsigned()?))
}

pub(super) fn unexpected(function: &str, found: impl Display) -> RedisError {
    RedisError::malformed(format!("the answer of {function}"), found)
}
