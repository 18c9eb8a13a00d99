//! How live streams end, and how an idle one shows that it is alive.

use std::time::Duration;

use crate::harness::LIMIT;
use crate::live::{open, place, start};

#[tokio::test]
async fn a_stop_ends_live_streams_and_answers_long_polls() {
    let service = start().await;
    let id = place(&service).await;
    let mut events = open(&service).await;
    let process = service.system.process("payments serve");
    let path = format!("/orders/{id}?wait=final");
    let poll = service.get(&path);
    let stop = async {
        // The poll may arrive before or after the stop begins. Its answer is the same.
        process.stop(LIMIT).await.unwrap()
    };
    let ended = async {
        while let Some(event) = events.next(LIMIT).await.unwrap() {
            assert_ne!(event.event, "reset");
        }
    };
    let (answer, status, ()) = tokio::join!(poll, stop, ended);
    assert_eq!(answer.json()["status"], "pending");
    assert_eq!(answer.header("order-final"), "false");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_is_alive() {
    let service = start().await;
    let mut events = open(&service).await;
    // No event comes. A comment comes every 15 s.
    let wait = tokio::time::timeout(Duration::from_secs(18), events.next(LIMIT));
    assert!(wait.await.is_err(), "an event came");
    assert!(events.comments() >= 1);
}
