//! What clients that watch cost the store.

use futures_util::future::join_all;
use shared::redis::Command;

use crate::harness::Service;
use crate::live::{cancel, next, open, place, start};

/// The number of connections to the store.
async fn connections(service: &Service) -> usize {
    let list = service.operate(Command::new("CLIENT").arg("LIST")).await;
    let ours = |line: &&str| line.contains("user=payments");
    list.text().unwrap().lines().filter(ours).count()
}

#[tokio::test]
async fn while_nobody_watches_no_change_is_read() {
    let service = start().await;
    let id = place(&service).await;
    cancel(&service, &id).await;
    assert_eq!(service.calls("xread").await, 0);
    for _ in 0..3 {
        // Each client opens its stream while the feed rests, or is about to rest.
        let mut events = open(&service).await;
        let id = place(&service).await;
        assert!(next(&mut events).await.data.contains(&id));
    }
    assert!(service.calls("xread").await > 0);
}

#[tokio::test]
async fn live_streams_and_long_polls_share_the_connections_of_the_process() {
    let service = start().await;
    let id = place(&service).await;
    let path = format!("/orders/{id}?wait=final");
    let before = connections(&service).await;
    let mut streams = join_all((0..30).map(|_| open(&service))).await;
    let polls = join_all((0..30).map(|_| service.get(&path)));
    let act = async {
        assert_eq!(connections(&service).await, before);
        cancel(&service, &id).await;
    };
    let (answers, ()) = tokio::join!(polls, act);
    for answer in answers {
        assert_eq!(answer.json()["status"], "cancelled");
    }
    for events in &mut streams {
        assert_eq!(next(events).await.event, "order.cancelled");
    }
}
