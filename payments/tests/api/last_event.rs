//! The client says in a header or in the query where a live stream goes on.

use reqwest::Method;
use stack::events::Events;

use crate::live::{next, open, place, resume, start};

#[tokio::test]
async fn what_is_no_id_of_an_event_is_refused() {
    let service = start().await;
    let expected = "must be the id of an event of this stream";
    for rubbish in ["x", "1", "1-", "-1-0", "1-0.x"] {
        let answer = service
            .get_with("/orders/stream", &[("last-event-id", rubbish)])
            .await;
        let problem = answer.problem(400, "invalid-parameter");
        assert_eq!(problem["detail"], format!("Last-Event-ID: {expected}"));
        let answer = service
            .get(&format!("/orders/stream?lastEventId={rubbish}"))
            .await;
        let problem = answer.problem(400, "invalid-parameter");
        assert_eq!(problem["detail"], format!("lastEventId: {expected}"));
    }
    let twice = [("last-event-id", "1-0"), ("last-event-id", "2-0")];
    let twice = service.get_with("/orders/stream", &twice).await;
    assert_eq!(
        twice.problem(400, "invalid-parameter")["detail"],
        "Last-Event-ID: must be given once"
    );
}

#[tokio::test]
async fn the_last_event_may_stand_in_the_query_and_the_header_counts_first() {
    let service = start().await;
    let mut events = open(&service).await;
    let ids = [
        place(&service).await,
        place(&service).await,
        place(&service).await,
    ];
    let seen = [next(&mut events).await.id, next(&mut events).await.id];
    let follow = async |query: &str, header: Option<&str>| {
        let mut request = service.request(Method::GET, &format!("/orders/stream{query}"));
        if let Some(id) = header {
            request = request.header("last-event-id", id);
        }
        let mut events = Events::open(request).await.unwrap();
        next(&mut events).await
    };
    let after_first = format!("?lastEventId={}", seen[0]);
    let escaped = after_first.replace('-', "%2D");
    let random = format!("{after_first}&r=7250391");
    for (query, header, told) in [
        (&after_first, None, &ids[1]),
        (&random, None, &ids[1]),
        (&escaped, None, &ids[1]),
        (&after_first, Some(""), &ids[1]),
        (&after_first, Some(seen[1].as_str()), &ids[2]),
    ] {
        let event = follow(query, header).await;
        assert!(
            event.data.contains(told.as_str()),
            "{query} {header:?}: {event:?}"
        );
    }
    // A polyfill sends an empty id before its first event, and a number against caches.
    let request = service.request(Method::GET, "/orders/stream?lastEventId=&r=0413");
    let mut events = Events::open(request).await.unwrap();
    let new = place(&service).await;
    assert!(next(&mut events).await.data.contains(&new));
}

/// Ids of events carry the time of the store, and its clock may have been wrong.
#[tokio::test]
async fn an_event_from_far_ahead_or_long_ago_keeps_nobody_from_what_is_new() {
    let service = start().await;
    place(&service).await;
    for far in [
        "9999999999999-0",
        "18446744073709551615-18446744073709551615",
        "0-1",
    ] {
        let mut events = resume(&service, far).await;
        let new = place(&service).await;
        while !next(&mut events).await.data.contains(&new) {}
    }
}
