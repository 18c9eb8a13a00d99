//! A store that several servers share.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use shared::base::shutdown::Shutdown;
use shared::redis::{Command, Redis};
use shared::store::function::{Call, IDENTITY};
use shared::store::open::Witness;
use shared::store::partition::{Partition, Partitions};
use shared::store::{Layout, Store};
use stack::cluster::Cluster;
use stack::credentials::User;
use stack::redis::{Owner, RedisOptions};
use stack::wait::{eventually, wait_for};

/// From the promotion of a replica to the first answer.
const BACK: Duration = Duration::from_secs(4);

async fn cluster(dir: &std::path::Path) -> Cluster {
    let options = RedisOptions::private(Owner::Inventory, dir.to_owned());
    let options = options.await.unwrap();
    Cluster::start(options, 3, 1, None).await.unwrap()
}

async fn push(redis: &Redis, key: &str) -> Option<u64> {
    let push = Command::new("INCR").key(key);
    Some(redis.run(push).await.ok()?.unsigned().unwrap())
}

#[tokio::test]
async fn a_client_finds_a_key_where_its_slot_goes_and_does_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path()).await;
    let redis = cluster.operator().unwrap();
    for number in 0..50 {
        let set = Command::new("SET")
            .key(format!("product:{{3}}:{number}"))
            .arg(number);
        redis.run(set).await.unwrap();
    }
    let slot = cluster.slot_of("{3}").await.unwrap();
    let first = cluster.primary_of(slot).await.unwrap();
    let mut pushed = 0;
    for to in [(first + 1) % 3, (first + 2) % 3, first] {
        let moving = cluster.move_slot(slot, to, 5, async || ());
        let pushing = async {
            for _ in 0..50 {
                pushed += 1;
                assert_eq!(push(&redis, "movements:{3}").await, Some(pushed));
            }
        };
        let (moved, ()) = tokio::join!(moving, pushing);
        let moved = moved.unwrap();
        assert!(moved.keys >= 50, "{moved:?}");
        assert_eq!(cluster.primary_of(slot).await.unwrap(), to);
        eprintln!("{moved:?}");
    }
}

#[tokio::test]
async fn a_client_goes_on_when_a_primary_is_killed_and_its_replica_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path()).await;
    let redis = cluster.operator().unwrap();
    let slot = cluster.slot_of("{3}").await.unwrap();
    for _ in 0..2 {
        push(&redis, "movements:{3}").await.unwrap();
        let old = cluster.primary_of(slot).await.unwrap();
        let began = Instant::now();
        cluster.node(old).kill();
        let new = cluster.wait_failover(slot, old).await.unwrap();
        let promoted = began.elapsed();
        wait_for("the client", BACK, || push(&redis, "movements:{3}"))
            .await
            .unwrap();
        eprintln!(
            "promoted after {promoted:?}, answered after {:?}",
            began.elapsed()
        );
        let pushed: u64 = cluster
            .operator_of(new)
            .ask(&["GET", "movements:{3}"])
            .await
            .unwrap();
        assert!(pushed >= 2);
        cluster.bring_back(old).await.unwrap();
    }
    eventually("the other partitions", async || {
        push(&redis, "movements:{0}").await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_partition_tells_the_replication_id_of_its_node_and_moves_no_checkpoint_for_another_one()
{
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path()).await;
    let partitions = Partitions::new(NonZeroU16::new(16).unwrap());
    let store = own_store(&cluster.url(User::Inventory), partitions);
    let mut owners = Vec::new();
    for partition in partitions.all() {
        let identity = partition.key(IDENTITY);
        owners.push(
            cluster
                .primary_of(cluster.slot_of(&identity).await.unwrap())
                .await
                .unwrap(),
        );
        store.load_functions(partition).await.unwrap();
        store
            .run(
                Command::new("SET")
                    .key(identity)
                    .arg(store.identity_text("test")),
            )
            .await
            .unwrap();
    }
    let before = replication_ids(&store).await;
    assert_eq!(
        before.iter().collect::<BTreeSet<_>>().len(),
        3,
        "{before:?}"
    );
    for partition in partitions.all() {
        assert_eq!(move_checkpoint(&store, partition, &before, "1-1").await, 1);
    }
    let slot = cluster
        .slot_of(&partitions.all().next().unwrap().key(IDENTITY))
        .await
        .unwrap();
    let old = cluster.primary_of(slot).await.unwrap();
    cluster.node(old).kill();
    cluster.wait_failover(slot, old).await.unwrap();
    cluster.bring_back(old).await.unwrap();
    eventually("the client", async || {
        store.has_identity().await.unwrap_or(false)
    })
    .await;
    let after = replication_ids(&store).await;
    for (number, partition) in partitions.all().enumerate() {
        let went = owners[number] == old;
        assert_eq!(before[number] != after[number], went, "{partition:?}");
        let moved = move_checkpoint(&store, partition, &before, "2-1").await;
        assert_eq!(moved, i64::from(!went), "{partition:?}");
        assert_eq!(
            move_checkpoint(&store, partition, &after, "2-1").await,
            1,
            "{partition:?}"
        );
    }
}

/// The replication id of each partition, in the order of the partitions.
async fn replication_ids(store: &Store) -> Vec<String> {
    let mut replication_ids = Vec::new();
    for partition in store.partitions().all() {
        replication_ids.push(store.replication_id(partition).await.unwrap());
    }
    replication_ids
}

/// Moves a checkpoint for a caller that has seen these replication ids.
async fn move_checkpoint(
    store: &Store,
    partition: Partition,
    replication_ids: &[String],
    to: &str,
) -> i64 {
    let call = Call::new("move_checkpoint")
        .key(partition.key("checkpoint"))
        .arg("stream")
        .arg("0-0");
    let call = call
        .arg(to)
        .arg("7")
        .arg(to)
        .arg("600000")
        .arg(replication_ids.join(" "))
        .arg("forward");
    store.call(partition, &call).await.unwrap().int().unwrap()
}

#[tokio::test]
async fn functions_of_unused_builds_are_removed_from_every_primary() {
    const GONE: &str = "test_0123456789ab";
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path()).await;
    let partitions = Partitions::new(NonZeroU16::new(16).unwrap());
    let store = own_store(&cluster.url(User::Inventory), partitions);
    store.adopt().await.unwrap();
    let code = format!("#!lua name={GONE}\nredis.register_function('f', function() return 1 end)");
    let mut primaries = BTreeSet::new();
    for partition in partitions.all() {
        store.load_functions(partition).await.unwrap();
        let slot = cluster.slot_of(&partition.key("libraries")).await.unwrap();
        primaries.insert(cluster.primary_of(slot).await.unwrap());
        // The time of use is in 1970.
        let seen = Command::new("HSET")
            .key(partition.key("libraries"))
            .arg(GONE)
            .arg("0");
        store.run(seen).await.unwrap();
    }
    for &primary in &primaries {
        let load = ["FUNCTION", "LOAD", "REPLACE", code.as_str()];
        cluster
            .operator_of(primary)
            .ask::<String>(&load)
            .await
            .unwrap();
    }
    store.tend_libraries().await.unwrap();
    for &primary in &primaries {
        let list = cluster
            .operator_of(primary)
            .ask::<redis::Value>(&["FUNCTION", "LIST"])
            .await;
        let list = format!("{:?}", list.unwrap());
        assert!(
            list.contains(store.library()) && !list.contains(GONE),
            "{list}"
        );
    }
    assert_eq!(primaries.len(), 3);

    // The address of one node is no address of the store.
    let node = own_store(&cluster.node(0).url(User::Inventory), Partitions::NONE);
    let witness = Witness {
        redis: cluster.operator().unwrap(),
        stream: "other",
        group: "group",
        is_own: false,
    };
    let error = node.open(&witness, &Shutdown::new()).await.unwrap_err();
    assert!(
        error.is_final() && error.to_string().contains("redis-cluster://"),
        "{error}"
    );
}

fn own_store(url: &str, partitions: Partitions) -> Store {
    let layout = Layout {
        service: "test",
        oldest: 1,
        steps: &[],
    };
    Store::new(
        Redis::worker(&url.parse().unwrap()),
        layout,
        &[],
        partitions,
    )
}
