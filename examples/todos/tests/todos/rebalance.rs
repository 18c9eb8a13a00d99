//! Consumers join the group and leave it while messages flow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use harness::member::Member;
use serde_json::json;
use stack::wait::{eventually, wait_until};

use crate::audit::Audit;
use crate::system::{PARTITIONS, System};

/// Todos that are changed, each by one client after the other.
const CHANGED: usize = 12;
/// Longest time until others apply the messages of a consumer that died. The group notices the death
/// after 6 s.
const TAKE_OVER: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_join_and_leave_apply_each_message_once_and_in_order() {
    let system = System::start().await;
    let audit = Audit::begin(system.database().await).await;
    let titles = (0..CHANGED).map(|number| format!("todo {number}"));
    let mut ids = Vec::new();
    for title in titles {
        ids.push(system.create(&title).await);
    }
    let done = AtomicBool::new(false);
    let clients = join_all(ids.iter().map(async |id| {
        let mut sent = Vec::new();
        while !done.load(Ordering::Relaxed) {
            let title = format!("change {}", sent.len());
            let put = system.put(format!("/todos/{id}"), json!({ "title": title }));
            put.await.expect(202);
            sent.push(format!("UPDATE {title}"));
        }
        sent
    }));
    let members = async {
        let progress = async |before: i64| {
            eventually("more changes", async || audit.count().await > before + 50).await;
        };
        let second = system.another_consumer().await;
        shares(&system).await;
        progress(audit.count().await).await;
        second.stop().await.unwrap();
        progress(audit.count().await).await;
        let third = system.another_consumer().await;
        progress(audit.count().await).await;
        third.kill();
        system.consume.restart().await.unwrap();
        progress(audit.count().await).await;
        done.store(true, Ordering::Relaxed);
    };
    let (sent, ()) = tokio::join!(clients, members);
    for (number, (id, sent)) in ids.iter().zip(sent).enumerate() {
        let expected = [vec![format!("INSERT todo {number}")], sent].concat();
        audit.expect(id, &expected).await;
    }
}

/// A group with more consumers than partitions has reserves.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_without_a_partition_takes_over_from_one_that_dies() {
    let system = System::start().await;
    let (second, third, fourth) = (
        system.another_consumer().await,
        system.another_consumer().await,
        system.another_consumer().await,
    );
    let consumers = [&system.consume, &second, &third, &fourth];
    eventually("one consumer without a partition", async || {
        let mut shares = consumers.map(|it| share(it).unwrap_or_default());
        shares.sort_unstable();
        shares == ["[0]", "[1]", "[2]", "[]"]
    })
    .await;
    let victim = consumers
        .iter()
        .find(|it| share(it).as_deref() == Some("[0]"));
    victim.unwrap().kill();
    let mut ids = Vec::new();
    for partition in 0..PARTITIONS {
        ids.extend(system.produce_todos(partition, 1).await);
    }
    let applied = wait_until("a message of each partition", TAKE_OVER, async || {
        let titles = system.titles().await;
        titles.len() == ids.len()
    });
    applied.await.unwrap();
}

/// The partitions of a consumer, as it has written them into its log.
fn share(consumer: &Member) -> Option<String> {
    let logs = consumer.logs();
    let mut lines = logs.lines().rev();
    let line = lines.find(|line| line.contains("divided the partitions"))?;
    let (first, end) = (line.rfind('[')?, line.rfind(']')?);
    Some(line[first..=end].to_owned())
}

/// Waits until the group has divided the partitions between two consumers.
async fn shares(system: &System) {
    eventually("a share for each", async || {
        let logs = system.consume.logs();
        let last = logs
            .lines()
            .rev()
            .find(|line| line.contains("divided the partitions"));
        last.is_some_and(|line| !line.contains("[0, 1, 2]") && !line.contains("[]"))
    })
    .await;
}
