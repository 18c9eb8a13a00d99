//! Changes that are made at the same time all count.

use std::sync::Arc;

use ::harness::http::{Answer, Method};
use stack::client::client;
use std::time::Duration;
use tokio::task::JoinSet;

use crate::harness::{Records, record};

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_mins(1);
/// Requests at once: each is one that a process may have under way.
const AT_ONCE: usize = 500;

#[tokio::test]
async fn a_thousand_parallel_changes_count_exactly() {
    let records = Arc::new(Records::start().await);
    records.create("k", 0).await;
    let (mut asking, client) = (JoinSet::new(), client(LIMIT).unwrap());
    for number in 0..2 * AT_ONCE {
        while asking.len() >= AT_ONCE {
            asking.join_next().await.unwrap().unwrap();
        }
        let (path, x) = if number % 4 == 3 {
            ("decrement-value", 1)
        } else {
            ("increment-value", 2)
        };
        let url = format!("{}/{path}/?user_id=u&key=k&x={x}", records.member.url());
        let request = client
            .request(Method::POST, url)
            .header("idempotency-key", number);
        asking.spawn(async move { Answer::patiently(request).await.expect(200) });
    }
    while let Some(answer) = asking.join_next().await {
        answer.unwrap();
    }
    assert_eq!(records.read("k").await.0, 2 * 750 - 250);
}

#[tokio::test]
async fn of_parallel_creations_one_is_made() {
    let records = Records::start().await;
    for round in 0..20 {
        let query = |value: u8| format!("user_id=u&key={round}&value={value}");
        let queries = [1, 2, 3, 4].map(query);
        let create = |at: usize| records.post("create-record", &queries[at]);
        let answers = <[_; 4]>::from(tokio::join!(create(0), create(1), create(2), create(3)));
        let made: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .collect();
        assert_eq!(made.len(), 1, "{answers:?}");
        let found = records.read(&round.to_string()).await.0;
        assert_eq!(made[0].json(), record(&round.to_string(), found));
    }
}
