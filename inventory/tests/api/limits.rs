//! How many requests and connections the service takes, and how it stops.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::{Client, Method};
use stack::wait::eventually;

use crate::harness::{Answer, LIMIT, Service};

/// The numbers in a header such as `"default";r=1;t=30`.
fn numbers(header: &str) -> Vec<u64> {
    let (name, numbers) = header.split_once(';').unwrap_or_default();
    assert_eq!(name, "\"default\"", "{header}");
    numbers
        .split(';')
        .map(|part| part.split_once('=').unwrap().1.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn an_address_that_asks_too_often_has_to_wait() {
    let service = Service::start_with(&[("RATE_LIMIT", "3/3s")]).await;
    for (path, remaining) in [("/products", 2), ("/nowhere", 1), ("/products/x", 0)] {
        let answer = service.get(path).await;
        assert_eq!(
            answer.header("ratelimit-policy"),
            "\"default\";q=3;w=3",
            "{path}"
        );
        assert_eq!(
            numbers(answer.header("ratelimit")),
            [remaining, 3 - remaining],
            "{path}"
        );
    }
    let refused = service.get("/products").await;
    refused.problem(429, "rate-limited");
    assert_eq!(numbers(refused.header("ratelimit")), [0, 3]);
    assert_eq!(refused.header("ratelimit-policy"), "\"default\";q=3;w=3");
    assert_eq!(refused.header("retry-after"), "1");
    // What a browser asks before a request does not count.
    let preflight = service.ask(Method::OPTIONS, "/products", &[]).await;
    assert_eq!((preflight.status, preflight.header("ratelimit")), (204, ""));
    for path in ["/livez", "/readyz"] {
        let probe = service.get(path).await;
        assert_eq!(
            (probe.status, probe.header("ratelimit")),
            (200, ""),
            "{path}"
        );
    }
    eventually("another request is allowed", async || {
        service.get("/products").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn nobody_is_limited_unless_the_setting_says_so() {
    let service = Service::start().await;
    for _ in 0..200 {
        let answer = service.get("/products").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, ""));
    }
}

/// With the default settings of the service.
#[tokio::test]
async fn six_thousand_idle_connections_of_one_address_take_nothing_from_others() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(8_192).max(soft), hard).unwrap();
    let service = Service::start().await;
    let mut crowd = Vec::new();
    for _ in 0..6_000 {
        crowd.push(service.connect().await);
    }
    let from = |host| {
        let address = Ipv4Addr::new(127, 0, 0, host);
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0);
        client.local_address(IpAddr::from(address)).build().unwrap()
    };
    let started = Instant::now();
    for path in ["/products", "/livez", "/readyz", "/version"] {
        for client in [from(2), from(1)] {
            for _ in 0..15 {
                let url = format!("{}{path}", service.system.inventory_url());
                assert_eq!(Answer::to(client.get(url)).await.status, 200, "{path}");
            }
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_process_that_is_to_stop_says_so_first_and_serves_on_for_a_while() {
    let service = Service::start_with(&[("DRAIN_DELAY", "3s")]).await;
    let id = service.create("Tea").await;
    let path = format!("/products/{id}");
    let process = service.system.process("inventory serve");
    process.terminate();
    // Each request uses a new connection.
    let fresh = |path: &str| {
        let client = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        client.request(
            Method::GET,
            format!("{}{path}", service.system.inventory_url()),
        )
    };
    eventually("not ready", async || {
        Answer::to(fresh("/readyz")).await.status == 503
    })
    .await;
    let not_ready = Answer::to(fresh("/readyz")).await.problem(503, "not-ready");
    assert_eq!(not_ready["detail"], "stopping");
    for _ in 0..50 {
        let new = Answer::to(fresh(&path)).await;
        assert_eq!((new.status, new.header("connection")), (200, "close"));
        assert_eq!(
            service.get(&path).await.status,
            200,
            "on a connection from before"
        );
    }
    assert_eq!(Answer::to(fresh("/livez")).await.status, 200);
    let status = process.wait(LIMIT).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(
        fresh("/livez").send().await.is_err(),
        "the process still listens"
    );
}

#[tokio::test]
async fn a_process_that_is_told_to_stop_at_once_does() {
    let service = Service::start_with(&[("DRAIN_DELAY", "0")]).await;
    let process = service.system.process("inventory serve");
    assert!(
        process
            .stop(Duration::from_secs(3))
            .await
            .unwrap()
            .success()
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_makes_room_for_its_connections() {
    let service = Service::start_with(&[("MAX_CONNECTIONS", "5000")]).await;
    let pid = service.system.process("inventory serve").pid();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let (soft, hard) = (numbers[0], numbers[1]);
    assert!(soft >= hard.min(5_000), "{line}");
}
