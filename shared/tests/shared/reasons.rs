//! A store that cannot be used: each error says why, and the log says it once.

use shared::redis::{Command, Redis};
use stack::credentials::User;
use stack::ports;
use stack::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::{Log, Stores, assert_unknown, url};

/// No error and no log line may contain this password.
const SECRET: &str = "s3cret";

/// A server that answers everything with the same bytes, or nothing at all.
struct Impostor {
    port: u16,
    task: JoinHandle<()>,
}

impl Impostor {
    async fn saying(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        let _ = stream.write_all(answer).await;
                    }
                });
            }
        });
        Self { port, task }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn ping() -> Command {
    Command::new("PING")
}

/// What an error says about the store at that URL, once the reason is known.
async fn reason_at(url: &str) -> String {
    let redis = Redis::worker(&url.parse().unwrap());
    eventually("a reason", async || {
        let error = redis.run(ping()).await.unwrap_err();
        assert_unknown(&error);
        let text = error.to_string();
        assert!(!text.contains(SECRET), "{text}");
        text.split_once(" cannot be reached: ")
            .map(|(_, reason)| reason.to_owned())
    })
    .await
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_host_are_named() {
    let free = ports::free().unwrap();
    let reason = reason_at(&format!(
        "redis://payments:{SECRET}@127.0.0.1:{}",
        free.number()
    ))
    .await;
    assert_eq!(reason, "connection refused");
    let reason = reason_at(&format!("redis://:{SECRET}@no-such-host.invalid:6379")).await;
    assert_eq!(reason, "unknown host");
}

#[tokio::test]
async fn a_wrong_user_password_or_database_is_named() {
    let stores = Stores::start().await;
    let port = stores.own.port();
    let stranger = "its server does not know this user, or the password is wrong";
    for (login, reason) in [
        (format!("inventory:{SECRET}@"), stranger),
        (format!("unknown:{SECRET}@"), stranger),
        (
            String::new(),
            "its server wants a password, and the URL has none",
        ),
    ] {
        assert_eq!(
            reason_at(&format!("redis://{login}127.0.0.1:{port}")).await,
            reason
        );
    }
    let operator = stores.own.url(User::Operator);
    let reason = reason_at(&format!("{operator}/99")).await;
    assert_eq!(reason, "its server does not have the database of the URL");
    let cluster = operator.replace("redis://", "redis-cluster://");
    assert_eq!(
        reason_at(&cluster).await,
        "its server is not a node of a cluster"
    );
}

#[tokio::test]
async fn a_server_of_another_protocol_and_a_silent_one_are_named() {
    for (answer, reason) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "the server there does not speak the Redis protocol, or wants TLS",
        ),
        (
            b"\x15\x03\x01\x00\x02\x02\x46",
            "the server there does not speak the Redis protocol, or wants TLS",
        ),
        (b"", "no answer in time"),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            "its server is still loading its data",
        ),
        (
            b"-ERR AUTH <password> called without any password configured\r\n",
            "its server has no password, and the URL has one",
        ),
    ] {
        let impostor = Impostor::saying(answer).await;
        let url = format!("redis://payments:{SECRET}@127.0.0.1:{}", impostor.port);
        assert_eq!(
            reason_at(&url).await,
            reason,
            "{:?}",
            String::from_utf8_lossy(answer)
        );
    }
}

#[tokio::test]
async fn sentinels_that_are_away_or_do_not_know_the_name_are_named() {
    let (free, other) = (ports::free().unwrap(), ports::free().unwrap());
    let url = |port: u16, other: u16| {
        format!(
            "redis-sentinel://payments:{SECRET}@127.0.0.1:{port}?node=127.0.0.1:{other}\
             &sentinelServiceName=payments"
        )
    };
    let redis = Redis::worker(&url(free.number(), other.number()).parse().unwrap());
    let both = eventually("a reason", async || {
        let text = redis.run(ping()).await.unwrap_err().to_string();
        text.contains("127.0.0.1:")
            .then_some(text)
            .filter(|text| text.contains("; "))
    })
    .await;
    assert!(
        both.contains(" and 1 more cannot be reached: none of its Sentinels can be used; "),
        "{both}"
    );
    assert!(both.ends_with(": connection refused"), "{both}");

    let impostor = Impostor::saying(b"*-1\r\n").await;
    let redis = Redis::worker(&url(impostor.port, impostor.port).parse().unwrap());
    let told = eventually("a reason", async || {
        let text = redis.run(ping()).await.unwrap_err().to_string();
        text.ends_with("it knows no primary by the name payments")
            .then_some(text)
    })
    .await;
    assert!(
        told.contains("its Sentinels do not know the name of the URL; 127.0.0.1:"),
        "{told}"
    );
    assert!(!told.contains(SECRET), "{told}");
}

#[tokio::test]
async fn the_log_names_each_reason_once_for_all_clients_and_says_when_it_is_over() {
    let stores = Stores::start().await;
    let log = Log::capture();
    let clients: Vec<Redis> = (0..4)
        .map(|_| Redis::worker(&url(&stores.own, User::Inventory)))
        .collect();
    let address = format!("the store at 127.0.0.1:{}", stores.own.port());
    stores.own.kill();
    let refused = format!("{address} cannot be reached: connection refused");
    eventually("the reason", async || {
        for client in &clients {
            client.run(ping()).await.unwrap_err();
        }
        !log.lines_with(&refused).is_empty()
    })
    .await;
    for client in &clients {
        client.run(ping()).await.unwrap_err();
    }
    stores.own.restart().await.unwrap();
    for client in &clients {
        eventually("the client", async || client.run(ping()).await.is_ok()).await;
    }
    assert_eq!(log.lines_with(&refused).len(), 1);
    let again = format!("{address} can be reached again");
    assert_eq!(log.lines_with(&again).len(), 1);
}
