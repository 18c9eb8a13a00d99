//! The layouts that the store had, and the step from each to the next.

use futures_util::future::join_all;
use shared::contract::id::ProductId;
use shared::redis::{Command, RedisError};
use shared::store::index::{Direction, Range};
use shared::store::partition::Partition;
use shared::store::{Layout, Store, Taken};

use super::{calls, line};
use crate::keys;

/// The layout that this build reads and writes.
pub(super) const LAYOUT: Layout = Layout {
    service: "inventory",
    steps: &[sort_names_anew],
};

/// Products that are read, and sorted anew, at once.
const PAGE: usize = 100;

/// To layout 1: names that look alike are sorted alike, whichever characters they were typed with.
/// The step makes the text to sort by anew for each product. It writes only the products whose text
/// is another one.
fn sort_names_anew(own: Store, partition: Partition) -> Taken {
    Box::pin(async move {
        let (mut sorted, mut last) = (0, None);
        loop {
            let range = Range::all(Direction::Ascending);
            let range = last.iter().fold(range, |range, id: &String| range.past(id));
            let members = own
                .run(range.read(keys::products(partition), PAGE))
                .await?
                .texts()?;
            let Some(end) = members.last() else {
                break;
            };
            last = Some(end.clone());
            for done in join_all(members.iter().map(|id| sort_anew(&own, partition, id))).await {
                sorted += usize::from(done?);
            }
        }
        if sorted > 0 {
            tracing::info!(
                partition = partition.index(),
                sorted,
                "products are sorted anew"
            );
        }
        Ok(())
    })
}

/// Sorts one product, and answers whether it was sorted by another text before. The step leaves a
/// product alone that was deleted or renamed meanwhile. It also leaves a damaged product alone:
/// reading the product reports the damage.
async fn sort_anew(own: &Store, partition: Partition, member: &str) -> Result<bool, RedisError> {
    let Ok(id) = member.parse::<ProductId>() else {
        return Ok(false);
    };
    let product = keys::product(partition, id);
    let line = match own.run(Command::new("GET").key(product)).await {
        Err(RedisError::Refused { .. } | RedisError::Malformed { .. }) => return Ok(false),
        line => line?,
    };
    if line.is_null() {
        return Ok(false);
    }
    let Ok(line) = line.text() else {
        return Ok(false);
    };
    let Ok(Some(found)) = line::product_or_tombstone(id, line.as_bytes()) else {
        return Ok(false);
    };
    let folded = found.name.folded();
    if line.ends_with(&format!("\t{folded}")) {
        return Ok(false);
    }
    let call = calls::sort_product(partition, id, &found.name);
    match own.call(partition, &call).await {
        Err(error @ (RedisError::Refused { .. } | RedisError::Malformed { .. })) => {
            tracing::warn!(%id, %error, "the product is damaged, and not sorted");
            Ok(false)
        }
        sorted => Ok(sorted?.int()? == 1),
    }
}
