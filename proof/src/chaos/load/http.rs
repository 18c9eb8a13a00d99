//! One HTTP call of a client, and what its answer says.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use stack::client;

use crate::chaos::history::{Outcome, SeenOrder};

/// The time for which a client waits for an answer: longer than any answer should take, shorter
/// than a process may be frozen.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// The longest pause that a client takes because of `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The first pause between two attempts, in milliseconds. It doubles with each attempt, and the
/// client waits a random part of it.
const FIRST_PAUSE_MS: u64 = 40;
const DOUBLINGS: u32 = 4;

/// The problems that say that the service did nothing.
const NOTHING_DONE: [&str; 8] = [
    "store-refused",
    "inventory-unavailable",
    "upstream-timeout",
    "bad-upstream",
    "overloaded",
    "not-ready",
    "idempotency-in-progress",
    "rate-limited",
];

/// The answer to a call.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The status; 0 if no answer came.
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) replayed: bool,
    retry_after: Option<Duration>,
}

/// A client with connections of its own.
pub(super) fn client() -> reqwest::Result<Client> {
    client::client(ANSWER_LIMIT)
}

/// A request with an id, so that the order that it places can be traced back to it.
pub(super) fn request(http: &Client, method: Method, url: &str, id: &str) -> RequestBuilder {
    http.request(method, url).header("X-Request-Id", id)
}

pub(super) async fn send(request: RequestBuilder) -> Answer {
    let Ok(response) = request.send().await else {
        return Answer::default();
    };
    let status = response.status().as_u16();
    let header = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let replayed = header("idempotent-replayed") == Some("true");
    let seconds = header("retry-after").and_then(|text| text.parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    match response.json().await {
        Ok(body) => Answer {
            status,
            body,
            replayed,
            retry_after,
        },
        // The answer to a deletion has no body. Any other answer was cut off on its way.
        Err(_) if status == 204 => Answer {
            status,
            retry_after,
            ..Answer::default()
        },
        Err(_) => Answer::default(),
    }
}

impl Answer {
    /// Whether the request was done.
    pub(super) fn outcome(&self) -> Outcome {
        match self.status {
            200..300 => Outcome::Ok,
            0 => Outcome::Unknown,
            _ if NOTHING_DONE.contains(&self.problem()) => Outcome::Fail,
            400..500 => Outcome::Fail,
            _ => Outcome::Unknown,
        }
    }

    /// Whether the same request may get another answer later.
    pub(super) fn may_be_repeated(&self) -> bool {
        matches!(self.status, 0 | 429 | 500..) || self.problem() == "idempotency-in-progress"
    }

    /// The pause before the next attempt: `Retry-After`, at most `LONGEST_PAUSE`, and a random part
    /// of a time that doubles.
    pub(super) fn pause(&self, attempt: u32, random: f64) -> Duration {
        let backoff = Duration::from_millis(FIRST_PAUSE_MS << attempt.min(DOUBLINGS));
        let told = self.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        told + backoff.mul_f64(random)
    }

    /// The order in the body.
    pub(super) fn order(&self) -> Option<SeenOrder> {
        let text = |name: &str| self.body[name].as_str().map(str::to_owned);
        let fixed = [
            "product_id",
            "quantity",
            "price",
            "fee",
            "total",
            "created_at",
        ];
        let fixed = fixed.map(|name| self.body[name].to_string()).join(" ");
        Some(SeenOrder {
            id: text("id")?,
            status: text("status")?,
            fixed,
        })
    }

    /// The id in the body.
    pub(super) fn id(&self) -> Option<String> {
        self.body["id"].as_str().map(str::to_owned)
    }

    /// The kind of problem in the body; empty if the answer is no problem.
    pub(super) fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.strip_prefix("/problems/").unwrap_or(kind)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, kind: &str) -> Answer {
        let body = json!({"type": format!("/problems/{kind}")});
        Answer {
            status,
            body,
            ..Answer::default()
        }
    }

    #[test]
    fn an_answer_that_does_not_tell_is_unknown() {
        assert_eq!(Answer::default().outcome(), Outcome::Unknown);
        assert_eq!(answer(503, "store-unavailable").outcome(), Outcome::Unknown);
        assert_eq!(answer(504, "deadline-exceeded").outcome(), Outcome::Unknown);
        assert_eq!(answer(500, "internal").outcome(), Outcome::Unknown);
        assert_eq!(answer(503, "store-refused").outcome(), Outcome::Fail);
        assert_eq!(
            answer(503, "inventory-unavailable").outcome(),
            Outcome::Fail
        );
        assert_eq!(answer(404, "product-not-found").outcome(), Outcome::Fail);
        assert_eq!(answer(201, "").outcome(), Outcome::Ok);
    }

    #[test]
    fn only_what_may_change_is_repeated() {
        assert!(Answer::default().may_be_repeated());
        assert!(answer(503, "store-unavailable").may_be_repeated());
        assert!(answer(409, "idempotency-in-progress").may_be_repeated());
        assert!(!answer(409, "order-not-cancellable").may_be_repeated());
        assert!(!answer(404, "product-not-found").may_be_repeated());
    }
}
