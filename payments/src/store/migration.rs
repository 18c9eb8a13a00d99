//! The layouts that the store had, and the step from each to the next.

use futures_util::future::join_all;
use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;
use shared::redis::{Command, RedisError};
use shared::store::partition::Partition;
use shared::store::{Layout, Store, Taken};

use super::line;
use crate::keys;

/// The layout that this build reads and writes.
pub(super) const LAYOUT: Layout = Layout {
    service: "payments",
    steps: &[index_by_time],
};

/// Members of the index that are read, and written anew, at once.
const PAGE: usize = 100;
/// The score of every member in layout 0. No order was placed at this time.
const UNTIMED: u64 = 0;

/// To layout 1: the score of an order in the index is the time at which it was placed. Layout 0 has
/// a member for each order, and the same score for all members. The step passes over members that
/// have their time. So it goes on where it was broken off.
fn index_by_time(own: Store, partition: Partition) -> Taken {
    Box::pin(async move {
        let index = keys::orders(partition);
        // Members that are no orders stay as they are. The list of orders reports them.
        let (mut timed, mut left) = (0, 0);
        loop {
            let range = Command::new("ZRANGE")
                .key(index.as_str())
                .arg("0")
                .arg("0")
                .arg("BYSCORE");
            let range = range
                .arg("LIMIT")
                .arg(left.to_string())
                .arg(PAGE.to_string());
            let members = own.run(range).await?.texts()?;
            if members.is_empty() {
                break;
            }
            let placed = members
                .iter()
                .map(|member| placed_at(&own, partition, member));
            let mut add = Command::new("ZADD").key(index.as_str()).arg("XX");
            let before = timed;
            for (member, placed_ms) in members.iter().zip(join_all(placed).await) {
                match placed_ms? {
                    Some(placed_ms) => {
                        add = add.arg(placed_ms.to_string()).arg(member.as_str());
                        timed += 1;
                    }
                    None => left += 1,
                }
            }
            if timed > before {
                own.run_confirmed(add).await?;
            }
        }
        if timed > 0 {
            tracing::info!(
                partition = partition.index(),
                timed,
                left,
                "orders are listed by time"
            );
        }
        Ok(())
    })
}

/// When the order of a member was placed, in milliseconds. The line of the order tells the time. If
/// no line can be read, the id tells the time to within a day, and the audit finds the order there.
async fn placed_at(
    own: &Store,
    partition: Partition,
    member: &str,
) -> Result<Option<u64>, RedisError> {
    let Ok(id) = member.parse::<OrderId>() else {
        return Ok(None);
    };
    let line = match own
        .run(Command::new("GET").key(keys::order(partition, id)))
        .await
    {
        // Something else stands under the key of the order.
        Err(RedisError::Refused { .. } | RedisError::Malformed { .. }) => None,
        line => Some(line?),
    };
    let line = line
        .filter(|line| !line.is_null())
        .and_then(|line| line.text().ok());
    let order = line.and_then(|line| line::parse(id, &line).ok());
    let placed = order
        .map(|order| order.created_at)
        .or_else(|| id.minted_at());
    Ok(placed
        .map(Timestamp::as_millis)
        .filter(|&placed_ms| placed_ms != UNTIMED))
}
