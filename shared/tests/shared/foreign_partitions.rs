//! A group of another service in a store with partitions: each partition heeds the group by the ids of
//! its own stream.

use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::redis::Command;
use shared::store::partition::Partitions;
use shared::stream::retention::{Limits, Trimmer};

use crate::foreign_groups::{WARNING, WEEK, WEEK_OF_ENTRIES, add_to, stores};
use crate::harness::{GROUP, Log, STREAM, Stores, entries};
use crate::retention::assert_trimmed_to;

const FOREIGN: &str = "foreign";

/// Adds a group that has acknowledged everything up to this entry.
async fn place(stores: &Stores, stream: &str, group: &str, id: &str) {
    let create = Command::new("XGROUP").arg("CREATE").key(stream);
    stores.emitter.run(create.arg(group).arg(id)).await.unwrap();
}

#[tokio::test]
async fn a_foreign_group_that_is_too_far_behind_loses_entries_of_that_partition_only() {
    let stores = stores().await;
    let log = Log::capture();
    let partitions = Partitions::new(3.try_into().unwrap());
    let streams: Vec<String> = partitions
        .all()
        .map(|partition| partition.key(STREAM))
        .collect();
    let ids = add_to(&streams[0], &stores, 0..2_000, 0).await;
    for stream in &streams[1..] {
        add_to(stream, &stores, 0..2_000, 0).await;
    }
    for stream in &streams {
        place(&stores, stream, GROUP, &ids[1_999]).await;
    }
    // In the first partition the foreign group has read nothing, in the second one it is within the
    // limit, and the third one does not have it.
    let first = 1_999 - WEEK_OF_ENTRIES;
    place(&stores, &streams[0], FOREIGN, "0").await;
    place(&stores, &streams[1], FOREIGN, &ids[first + 200]).await;

    let limits = Limits {
        retention: Duration::ZERO,
        foreign_groups: WEEK,
    };
    let owner = stores.owner_of_streams(partitions);
    let trimmer = Trimmer::new(owner, limits, Duration::ZERO);
    for _ in 0..2 {
        trimmer.trim::<OrderCompleted>().await.unwrap();
    }
    for (stream, needed) in streams.iter().zip([first, first + 200, 1_999]) {
        let left = entries(&stores.emitter, stream).await;
        let left: Vec<String> = left.into_iter().map(|entry| entry.id).collect();
        assert_trimmed_to(&left, &ids, needed);
    }
    let warnings = log.lines_with(WARNING);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let named = format!("stream={:?}", streams[0]);
    assert!(warnings[0].contains(&named), "{named}: {}", warnings[0]);
}
