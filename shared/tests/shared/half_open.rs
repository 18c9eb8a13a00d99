//! A wire that swallows all bytes: the client notices, reconnects when the wire works again, and
//! leaks nothing.

use std::time::Duration;

use futures_util::future::join_all;
use shared::redis::{Code, Command, Redis, STUCK_AFTER};
use shared::stream::group::Pace;
use stack::credentials::User;
use stack::wait::wait_until;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::harness::{Stores, assert_unknown, membership};
use crate::redis::{BACK, MARGIN, answered, get};
use crate::relay::Relay;

/// Asks as a busy process does, several times at once, until the time is over. Answers how much of
/// it was answered.
async fn busy(redis: &Redis, time: Duration) -> usize {
    let until = Instant::now() + time;
    let askers = (0..8).map(|_| async {
        let mut answered = 0;
        while Instant::now() < until {
            answered += usize::from(redis.run(get()).await.is_ok());
            tokio::task::yield_now().await;
        }
        answered
    });
    join_all(askers).await.into_iter().sum()
}

#[tokio::test]
async fn a_busy_client_leaves_a_connection_on_which_nothing_is_answered() {
    let stores = Stores::start().await;
    let relay = Relay::to(&stores.own).await;
    let redis = Redis::worker(&relay.url(&stores.own, User::Inventory));
    redis.run(get()).await.unwrap();
    for _ in 0..2 {
        relay.swallow();
        let error = redis.run(get()).await.unwrap_err();
        assert_unknown(&error);
        // Only what is connected now is lost; nobody tells the client.
        relay.heal();
        let limit = STUCK_AFTER + MARGIN;
        answered(&redis, limit).await;
    }
}

#[tokio::test]
async fn a_client_comes_back_after_a_long_silence_and_neither_flaps_nor_leaks() {
    let stores = Stores::start().await;
    let relay = Relay::to(&stores.own).await;
    let redis = Redis::worker(&relay.url(&stores.own, User::Inventory));
    busy(&redis, Duration::from_millis(100)).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let (open, accepted, alive) = (relay.open(), relay.accepted(), tasks());
    assert_eq!((open, accepted), (1, 1));

    let silence = Duration::from_secs(7);
    relay.swallow();
    assert_eq!(busy(&redis, silence).await, 0);
    // One connection per second is tried for all waiting commands together.
    let tried = relay.accepted() - accepted;
    assert!(
        (2..=14).contains(&tried),
        "{tried} connections in {silence:?}"
    );

    relay.heal();
    answered(&redis, BACK).await;
    let accepted = relay.accepted();
    assert!(busy(&redis, STUCK_AFTER + MARGIN).await > 100);
    assert_eq!(
        relay.accepted(),
        accepted,
        "a client that gets answers keeps its connection"
    );
    let clean = wait_until("old connections and tasks to end", BACK, || async {
        relay.open() == open && tasks() == alive
    });
    clean
        .await
        .unwrap_or_else(|error| panic!("{error}: {} {}, {alive}", relay.open(), tasks()));
}

#[tokio::test]
async fn a_blocked_reader_comes_back_too() {
    let stores = Stores::start().await;
    let relay = Relay::to(&stores.streams).await;
    let block = Duration::from_millis(500);
    let reader = Redis::reader(&relay.url(&stores.streams, User::Inventory), block);
    let (member, mut pace) = (membership("one"), Pace::cautious());
    member.ensure_group(&stores.emitter).await.unwrap();
    assert_eq!(
        member
            .read_new(&reader, &mut pace, 10, block)
            .await
            .unwrap(),
        []
    );
    relay.swallow();
    member
        .read_new(&reader, &mut pace, 10, block)
        .await
        .unwrap_err();
    relay.heal();
    let back = wait_until("the reader", BACK + block, || async {
        member
            .read_new(&reader, &mut Pace::cautious(), 10, block)
            .await
            .is_ok()
    });
    back.await.unwrap();
}

/// The server answers, and says that it cannot work just now.
#[tokio::test]
async fn a_client_whose_server_refuses_to_work_stays() {
    let stores = Stores::start().await;
    let relay = Relay::to(&stores.own).await;
    let redis = Redis::worker(&relay.url(&stores.own, User::Inventory));
    redis.run(get()).await.unwrap();
    let full = Command::new("CONFIG").args(["SET", "maxmemory", "1"]);
    stores.operate(full).await;
    let until = Instant::now() + STUCK_AFTER + MARGIN;
    while Instant::now() < until {
        let set = Command::new("SET").key("product:1").arg("more");
        let error = redis.run(set).await.unwrap_err();
        assert!(error.is(Code::Oom), "{error:?}");
    }
    assert_eq!(relay.accepted(), 1);
}
