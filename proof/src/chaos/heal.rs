//! Measures, after the last fault, the time until every process is ready and no work is left.

use std::time::{Duration, Instant};

use anyhow::Result;
use stack::client::client;
use stack::operator::Operator;
use stack::redis::Owner;
use stack::system::System;
use stack::wait::wait_until;
use tokio::time::sleep;

use super::checker::read::standing;
use super::plan::PROCESSES;
use super::stores::{Operators, stream};

/// The time after the last fault within which every process must be ready, restarts included.
pub(super) const READY_LIMIT: Duration = Duration::from_secs(2);
/// The time after the end of the load within which all work must be done.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// The time for which the harness waits beyond a limit, so that the report can say how late it was.
const PATIENCE: Duration = Duration::from_secs(10);
/// The system counts as drained after this time without work: a consumer that replays a stream may
/// still emit entries.
const CALM: Duration = Duration::from_millis(1_500);
const LOOK_PAUSE: Duration = Duration::from_millis(50);
const PROBE_LIMIT: Duration = Duration::from_secs(1);
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// Waits until every process answers 200 on `/readyz` at the same time. Answers how long that took,
/// or `None` if it did not happen within the limit.
pub(super) async fn ready(system: &System) -> Result<Option<Duration>> {
    let client = client(PROBE_LIMIT)?;
    let started = Instant::now();
    let all = wait_until(
        "every process to be ready",
        READY_LIMIT + PATIENCE,
        || async {
            for name in PROCESSES {
                let answer = client
                    .get(format!("{}/readyz", system.url(name)))
                    .send()
                    .await;
                if !answer.is_ok_and(|answer| answer.status() == 200) {
                    return false;
                }
            }
            true
        },
    );
    Ok(all.await.is_ok().then(|| started.elapsed()))
}

/// Waits until no order is due, no entry is pending, every group is at the end of its stream, and
/// this stays true for `CALM`. Answers how long it took, or what work is left.
pub(super) async fn drained(operators: &Operators) -> Result<Duration, String> {
    let started = Instant::now();
    let mut calm_since = None;
    let mut left = String::new();
    while started.elapsed() < DRAIN_LIMIT + PATIENCE {
        match left_to_do(operators).await {
            Ok(None) => {
                let since = *calm_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= CALM {
                    return Ok(since.duration_since(started));
                }
            }
            Ok(Some(what)) => (calm_since, left) = (None, what),
            Err(error) => (calm_since, left) = (None, format!("{error:#}")),
        }
        sleep(LOOK_PAUSE).await;
    }
    Err(left)
}

/// The first work that is left. It looks in the order in which work moves through the system, so
/// that no work moves past it unseen.
async fn left_to_do(operators: &Operators) -> Result<Option<String>> {
    let due: u64 = operators
        .payments
        .insist(&["ZCARD", "due"], ASK_LIMIT)
        .await?;
    if due > 0 {
        return Ok(Some(format!("{due} orders are due")));
    }
    for store in [Owner::Payments, Owner::Inventory] {
        if let Some(left) = unread(operators.to(store), store).await? {
            return Ok(Some(left));
        }
    }
    for operator in [&operators.inventory, &operators.payments] {
        let attempts: u64 = operator.insist(&["HLEN", "attempts"], ASK_LIMIT).await?;
        if attempts > 0 {
            return Ok(Some(format!("{attempts} entries are being recovered")));
        }
    }
    Ok(None)
}

async fn unread(operator: &Operator, store: Owner) -> Result<Option<String>> {
    let stream = stream(store);
    let info = standing(operator, stream.key).await?;
    let Some((pending, given)) = info.groups.get(stream.group) else {
        return Ok(Some(format!("{} has no group", stream.key)));
    };
    // The harness may have trimmed the last entry, so comparing with the stream's last id fails.
    let words = [
        "XRANGE",
        stream.key,
        &format!("({given}"),
        "+",
        "COUNT",
        "1",
    ];
    let unread: Vec<redis::Value> = operator.insist(&words, ASK_LIMIT).await?;
    Ok((*pending > 0 || !unread.is_empty()).then(|| {
        format!(
            "{}: {pending} are pending, read up to {given} of {}",
            stream.key, info.last
        )
    }))
}
