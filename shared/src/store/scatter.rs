//! Calls one function about many items in any partitions.

use std::collections::BTreeMap;

use crate::redis::{RedisError, Reply};
use crate::store::Store;
use crate::store::function::Call;
use crate::store::partition::Partition;

/// Calls a function about all items: one call for each partition, or several calls where a
/// partition has more than `limit` items. `build` makes a call about some items. The reply to that
/// call is a list with one element for each item, and `parse` reads an element. The answers come in
/// the order of the items.
///
/// The calls are made one after the other. If one fails, the calls before it have had their effect.
pub async fn call_each<T, Answer>(
    store: &Store,
    items: &[T],
    limit: usize,
    partition_of: impl Fn(&T) -> Partition,
    build: impl Fn(Partition, &[&T]) -> Call,
    parse: impl Fn(&Reply) -> Result<Answer, RedisError>,
) -> Result<Vec<Answer>, RedisError> {
    let mut groups: BTreeMap<Partition, Vec<(usize, &T)>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let group = groups.entry(partition_of(item)).or_default();
        group.push((index, item));
    }
    let mut answers = Vec::with_capacity(items.len());
    for (partition, group) in groups {
        for part in group.chunks(limit) {
            let call = build(
                partition,
                &part.iter().map(|(_, item)| *item).collect::<Vec<_>>(),
            );
            let replies = store.call(partition, &call).await?.list_of(part.len())?;
            for ((index, _), reply) in part.iter().zip(replies) {
                answers.push((*index, parse(&reply)?));
            }
        }
    }
    answers.sort_unstable_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}
