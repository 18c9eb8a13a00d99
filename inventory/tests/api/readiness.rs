//! When a process is ready, and how often it asks its store for that.

use std::time::Duration;

use futures_util::future::join_all;
use stack::operator::Operator;
use stack::wait::eventually;
use tokio::time::Instant;

use crate::harness::{LIMIT, Service};

/// Waits until `/readyz` is answered with this status.
async fn wait_readiness(service: &Service, status: u16) {
    eventually("another readiness", async || {
        service.get("/readyz").await.status == status
    })
    .await;
}

#[tokio::test]
async fn the_process_outlives_its_store_and_is_ready_again_by_itself() {
    let service = Service::start().await;
    let id = service.create("Tea").await;
    let path = format!("/products/{id}");
    service.system.inventory_redis().kill();
    wait_readiness(&service, 503).await;
    let not_ready = service.get("/readyz").await;
    not_ready.problem(503, "not-ready");
    assert_ne!(not_ready.header("retry-after"), "");
    assert_eq!(service.get("/livez").await.body, "ok");
    for answer in [
        service.get(&path).await,
        service.get("/products").await,
        service
            .post("/products", r#"{"name":"x","price":1,"quantity":1}"#)
            .await,
    ] {
        answer.problem(503, "store-unavailable");
        assert_ne!(answer.header("retry-after"), "");
    }
    let started = Instant::now();
    service.get(&path).await.problem(503, "store-unavailable");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );

    service.system.inventory_redis().restart().await.unwrap();
    wait_readiness(&service, 200).await;
    assert_eq!(service.get(&path).await.status, 200);
}

/// How often the store was asked for its identity, which is the first read of a check.
async fn identity_reads(operator: &Operator) -> u64 {
    let stats: String = operator.ask(&["INFO", "commandstats"]).await.unwrap();
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_get:calls="));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn however_many_ask_for_readiness_the_store_is_asked_every_quarter_of_a_second() {
    let service = Service::start().await;
    let store = service.system.inventory_redis();
    let operator = Operator::of(store).unwrap();
    for _ in 0..3 {
        let (before, started) = (identity_reads(&operator).await, Instant::now());
        for answer in join_all((0..ASKING).map(|_| service.get("/readyz"))).await {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let most = 1 + started.elapsed().as_millis() / ANSWER_STANDS.as_millis();
        let asked = u128::from(identity_reads(&operator).await - before);
        assert!(
            asked <= most,
            "{asked} questions for {ASKING} answers, and not {most}"
        );
        tokio::time::sleep(ANSWER_STANDS).await;
        assert_eq!(service.get("/readyz").await.status, 200);
        assert!(
            identity_reads(&operator).await > before,
            "the answer is older than it may be"
        );
    }
    store.kill();
    let killed = Instant::now();
    while service.get("/readyz").await.status == 200 {
        assert!(killed.elapsed() < LIMIT);
    }
    let noticed = killed.elapsed();
    assert!(
        noticed < ANSWER_STANDS + QUESTION_LIMIT,
        "the process was ready for {noticed:?} more"
    );
}

/// The number of simultaneous requests for readiness, how long an answer is repeated, and the
/// longest time of a check of a dead store.
const ASKING: usize = 300;

const ANSWER_STANDS: Duration = Duration::from_millis(250);

const QUESTION_LIMIT: Duration = Duration::from_millis(2_500);
