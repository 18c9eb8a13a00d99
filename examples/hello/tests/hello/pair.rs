//! Each greeting is counted once, also if processes and stores die in between.

use std::collections::BTreeMap;

use harness::http::{Method, Site};
use harness::member::Member;
use harness::program;
use harness::redis::Redis;
use shared::redis::{Command, Redis as Client};
use stack::wait::eventually;
use tokio::task::spawn_blocking;

/// Both processes, each with a server of its own.
pub(crate) struct Pair {
    pub(crate) greeter: Member,
    pub(crate) counter: Member,
    pub(crate) streams: Redis,
    pub(crate) counts: Redis,
    pub(crate) site: Site,
}

/// How often each person was greeted.
pub(crate) type Counts = BTreeMap<String, u64>;

impl Pair {
    pub(crate) async fn start() -> Self {
        let (streams, counts) = tokio::join!(Box::pin(Redis::start()), Box::pin(Redis::start()));
        let (streams, counts) = (streams.unwrap(), counts.unwrap());
        let program = spawn_blocking(|| program::build(&["hello"]));
        let [program] = program.await.unwrap().unwrap();
        let urls = [streams.url(), counts.url()];
        let env = [
            ("GREETER_REDIS_URL", urls[0].as_str()),
            ("COUNTER_REDIS_URL", urls[1].as_str()),
            ("RECLAIM_IDLE", "1s"),
        ];
        let start = async |verb: &str| {
            let (name, args) = (format!("hello {verb}"), [verb]);
            let member = Box::pin(Member::start(&name, &program, &args, &env));
            let member = member.await.unwrap();
            member.wait_ready().await.unwrap();
            member
        };
        let greeter = start("greet").await;
        Self {
            site: greeter.site(),
            counter: start("count").await,
            greeter,
            streams,
            counts,
        }
    }

    /// Greets a person this often.
    async fn greet(&self, name: &str, times: u64) {
        for _ in 0..times {
            let path = format!("/greetings/{name}");
            let answer = self.site.ask(Method::POST, &path, &[]).await;
            assert_eq!(answer.expect(200).body, format!("\"Hello, {name}!\""));
        }
    }

    /// Greets a person with a request that has this header.
    async fn greet_with(&self, header: (&str, &str), name: &str) {
        let path = format!("/greetings/{name}");
        let headers = [header];
        self.site
            .ask(Method::POST, &path, &headers)
            .await
            .expect(200);
    }

    async fn counted(&self) -> Counts {
        let counts = run(&self.counts, Command::new("HGETALL").key("counts")).await;
        let mut counts = counts.into_iter();
        let mut found = Counts::new();
        while let (Some(name), Some(count)) = (counts.next(), counts.next()) {
            found.insert(name, count.parse().unwrap());
        }
        found
    }

    /// Waits until the group has acknowledged every entry. These are then the counts.
    async fn assert_counted<const COUNT: usize>(&self, expected: [(&str, u64); COUNT]) {
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        self.assert_counts(&Counts::from(expected)).await;
    }

    /// The same, for any number of persons.
    pub(crate) async fn assert_counts(&self, expected: &Counts) {
        eventually("the end of all entries", async || {
            let groups = Command::new("XINFO").arg("GROUPS").key("greeted");
            let groups = client(&self.streams).run(groups).await.ok()?.list().ok()?;
            let group = groups.into_iter().next()?;
            let is_zero = |field| {
                let found = group.clone().field(field);
                found.is_ok_and(|found| found.unsigned() == Ok(0))
            };
            (is_zero("pending") && is_zero("lag")).then_some(())
        })
        .await;
        assert_eq!(&self.counted().await, expected);
    }
}

fn client(server: &Redis) -> Client {
    Client::worker(&server.url().parse().unwrap())
}

/// Runs a command as the operator, and answers its texts.
async fn run(server: &Redis, command: Command) -> Vec<String> {
    let answer = client(server).run(command).await.unwrap();
    answer.texts().unwrap()
}

#[tokio::test]
async fn each_greeting_is_counted_once() {
    let pair = Pair::start().await;
    pair.greet("World", 5).await;
    pair.greet("Ada", 2).await;
    pair.assert_counted([("Ada", 2), ("World", 5)]).await;
}

#[tokio::test]
async fn a_request_that_is_repeated_is_counted_once() {
    let pair = Pair::start().await;
    for key in ["one", "one", "two", "one"] {
        pair.greet_with(("idempotency-key", key), "World").await;
    }
    pair.assert_counted([("World", 2)]).await;
}

#[tokio::test]
async fn requests_of_one_id_are_greetings_of_their_own_and_so_are_two_names_of_one_key() {
    let pair = Pair::start().await;
    for header in [("x-request-id", "one"), ("idempotency-key", "one")] {
        for name in ["Ada", "World"] {
            pair.greet_with(header, name).await;
        }
    }
    pair.greet_with(("x-request-id", "one"), "World").await;
    pair.assert_counted([("Ada", 2), ("World", 3)]).await;
}

#[tokio::test]
async fn a_name_has_at_most_100_characters() {
    let pair = Pair::start().await;
    let longest = "n".repeat(100);
    let path = format!("/greetings/{longest}n");
    let refused = pair.site.ask(Method::POST, &path, &[]);
    refused.await.problem(400, "invalid-parameter");
    pair.greet(&longest, 1).await;
    pair.assert_counted([(&longest, 1)]).await;
}

#[test]
fn partitions_and_clusters_are_refused() {
    let [program] = program::build(&["hello"]).unwrap();
    for (name, value) in [
        ("PARTITIONS", "4"),
        ("COUNTER_REDIS_URL", "redis-cluster://127.0.0.1:1"),
        ("GREETER_REDIS_URL", "redis-cluster://127.0.0.1:1"),
    ] {
        for verb in ["greet", "count"] {
            let mut start = std::process::Command::new(&program);
            let output = start.arg(verb).env(name, value).output().unwrap();
            assert!(!output.status.success());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains("PARTITIONS: hello knows"), "{said}");
        }
    }
}

#[tokio::test]
async fn no_greeting_is_lost_or_counted_twice_if_processes_and_stores_are_killed() {
    let pair = Pair::start().await;
    pair.greet("World", 10).await;
    pair.counter.kill();
    pair.greet("World", 10).await;
    pair.counter.restart().await.unwrap();
    pair.assert_counted([("World", 20)]).await;

    // The group is gone: everything is delivered once more.
    let destroy = Command::new("XGROUP").arg("DESTROY").key("greeted");
    let destroyed = client(&pair.streams)
        .run(destroy.arg("counter-group"))
        .await;
    assert_eq!(destroyed.unwrap().int(), Ok(1));
    pair.greet("World", 1).await;
    pair.counter.wait_ready().await.unwrap();
    pair.assert_counted([("World", 21)]).await;

    pair.greeter.kill();
    pair.counts.kill();
    pair.streams.kill();
    pair.counts.restart().await.unwrap();
    pair.streams.restart().await.unwrap();
    pair.greeter.restart().await.unwrap();
    pair.counter.wait_ready().await.unwrap();
    pair.greet("World", 9).await;
    pair.assert_counted([("World", 30)]).await;
}

#[tokio::test]
async fn an_entry_that_is_no_greeting_becomes_a_dead_letter_and_the_others_flow() {
    let pair = Pair::start().await;
    let add = Command::new("XADD").key("greeted").arg("*");
    let add = add.args(["ce_type", "greeted.v9", "name", "World"]);
    client(&pair.streams).run(add).await.unwrap();
    pair.greet("World", 1).await;
    pair.assert_counted([("World", 1)]).await;
    let count = Command::new("XLEN").key("dead_letters");
    let count = client(&pair.counts).run(count).await.unwrap();
    assert_eq!(count.int(), Ok(1));
}

#[tokio::test]
async fn without_its_store_the_greeter_says_so_and_comes_back() {
    let pair = Pair::start().await;
    pair.streams.kill();
    let refused = pair.site.ask(Method::POST, "/greetings/World", &[]).await;
    refused.problem(503, "store-unavailable");
    eventually("an unready greeter", async || {
        pair.site.get("/readyz").await.status == 503
    })
    .await;
    pair.streams.restart().await.unwrap();
    pair.greeter.wait_ready().await.unwrap();
    pair.greet("World", 1).await;
    pair.assert_counted([("World", 1)]).await;
}

#[tokio::test]
async fn both_processes_end_with_success_on_sigterm() {
    let pair = Pair::start().await;
    pair.greet("World", 1).await;
    pair.greeter.stop().await.unwrap();
    pair.counter.stop().await.unwrap();
}
