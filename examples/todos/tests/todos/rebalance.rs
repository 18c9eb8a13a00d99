//! Consumers join the group and leave it while messages flow.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use stack::wait::eventually;

use crate::audit::Audit;
use crate::system::System;

/// Todos that are changed, each by one client after the other.
const TODOS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_join_and_leave_apply_each_message_once_and_in_order() {
    let system = System::start().await;
    let audit = Audit::begin(system.database().await).await;
    let titles = (0..TODOS).map(|number| format!("todo {number}"));
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
