//! A store behind a proxy, and a client of it.

use std::sync::Arc;

use proof::proxy::{Protocol, Proxy};
use stack::credentials::User;
use stack::redis::{Overrides, RedisServer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{LIMIT, start};

/// A store behind a proxy.
pub(super) struct Link {
    pub(super) proxy: Arc<Proxy>,
    pub(super) redis: RedisServer,
    pub(super) _dir: TempDir,
}

impl Link {
    pub(super) async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (redis, _) = start(dir.path(), Overrides::default()).await;
        let proxy = Proxy::start(Protocol::Redis, redis.port(), super::SEED).unwrap();
        Self {
            proxy: Arc::new(proxy),
            redis,
            _dir: dir,
        }
    }

    /// A connection of the operator through the proxy.
    pub(super) async fn client(&self) -> Client {
        let mut client = Client(
            TcpStream::connect(("127.0.0.1", self.proxy.port()))
                .await
                .unwrap(),
        );
        let url = self.redis.url(User::Operator);
        let password = url.split([':', '@']).nth(2).unwrap();
        client.send(&["AUTH", "operator", password]).await;
        client.expect("+OK\r\n").await;
        client
    }

    /// The counter in the store, read past the proxy.
    pub(super) async fn counter(&self) -> Option<u64> {
        let operator = stack::operator::Operator::of(&self.redis).unwrap();
        operator.ask(&["GET", "counter"]).await.unwrap()
    }
}

pub(super) struct Client(pub(super) TcpStream);

impl Client {
    pub(super) async fn send(&mut self, words: &[&str]) {
        self.0.write_all(&command(words)).await.unwrap();
    }

    pub(super) async fn expect(&mut self, answer: &str) {
        let mut bytes = vec![0; answer.len()];
        timeout(LIMIT, self.0.read_exact(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), answer);
    }

    pub(super) async fn expect_silence(&mut self) {
        let read = timeout(super::SILENCE, self.0.read(&mut [0; 64])).await;
        assert!(read.is_err(), "{read:?}");
    }

    pub(super) async fn expect_end(&mut self) {
        let read = timeout(LIMIT, self.0.read(&mut [0; 64])).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

pub(super) fn command(words: &[&str]) -> Vec<u8> {
    let parts = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), parts.collect::<String>()).into_bytes()
}
