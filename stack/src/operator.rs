//! A client with which people and tests query a store. It shares no code with the client of the
//! services, so that it cannot share its mistakes.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, RedisResult};
use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use crate::credentials::User;
use crate::redis::RedisServer;
use crate::wait::POLL;

const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The operator of one store, who may do everything. It connects at the first command, and again
/// after the store was away.
pub struct Operator {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Operator {
    /// The operator of this store, which need not run yet.
    pub fn of(server: &RedisServer) -> Result<Self> {
        let client = Client::open(server.url(User::Operator)).context("an address of a store")?;
        Ok(Self {
            client,
            connection: Mutex::default(),
        })
    }

    /// Sends a command once. After an error that is not an answer of the store, it is unknown
    /// whether the command took effect.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let mut connection = Box::pin(self.connection()).await?;
        let answer = command.query_async(&mut connection).await;
        if answer.as_ref().is_err_and(is_broken) {
            *self.kept() = None;
        }
        answer
    }

    /// Sends a command of these words once.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        self.run(&command).await
    }

    /// Repeats a command until the store answers. The command must be safe to repeat. A refusal is
    /// an answer, unless it ends by itself: see `is_away`.
    pub async fn insist<T: FromRedisValue>(&self, words: &[&str], limit: Duration) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            match self.ask(words).await {
                Ok(answer) => return Ok(answer),
                Err(error) if !is_away(&error) || Instant::now() > deadline => {
                    bail!("{}: {error}", words.join(" "))
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = self.kept().clone() {
            return Ok(connection);
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(ANSWER_LIMIT));
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        *self.kept() = Some(made.clone());
        Ok(made)
    }

    fn kept(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        crate::locked(&self.connection)
    }
}

/// Whether the connection is broken.
fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_io_error() || error.is_timeout()
}

/// Whether the store is down, still reads its data back, or refuses changes while its disk is full.
fn is_away(error: &RedisError) -> bool {
    is_broken(error) || matches!(error.code(), Some("LOADING" | "NOREPLICAS" | "MISCONF"))
}
