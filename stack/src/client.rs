//! A client of the services, for tests and for the verbs of the command line.

#![expect(
    clippy::missing_panics_doc,
    reason = "an answer that is not as expected fails the test"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response, Result};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::wait::wait_for;

pub use site::{Site, read_to_end};

mod site;

/// The time for which a request is repeated while the answer is "not now".
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest wait for the answer to a request of [`get`].
const GET_LIMIT: Duration = Duration::from_secs(30);
/// The problems that mean "not now": the client has to repeat the request.
const NOT_NOW: [&str; 3] = ["overloaded", "store-refused", "store-unavailable"];
/// The largest `Retry-After` that a service may send, in seconds.
const MAX_RETRY_AFTER: u64 = 60;

/// An answer of a service, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
    /// The time from the request to the last byte.
    pub took: Duration,
}

/// An HTTP client that waits for an answer for at most `limit`. It ignores the proxy settings of
/// the environment.
pub fn client(limit: Duration) -> Result<Client> {
    Client::builder().no_proxy().timeout(limit).build()
}

/// Sends one `GET` request, and waits for the answer for at most 30 s.
pub async fn get(url: String) -> Result<Response> {
    client(GET_LIMIT)?.get(url).send().await
}

impl Answer {
    /// Sends a request that must be answered.
    pub async fn to(request: RequestBuilder) -> Self {
        let answer = Self::attempt(request).await;
        answer.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends a request to a service that may be down.
    pub async fn attempt(request: RequestBuilder) -> Result<Self> {
        let asked = Instant::now();
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await?;
        Ok(Self {
            status,
            headers,
            body,
            took: asked.elapsed(),
        })
    }

    /// Repeats a request until the answer is not "not now", for at most 1 min. A process answers
    /// "not now" when it is overloaded, or when its store stalls because of a busy disk.
    pub async fn patiently(request: RequestBuilder) -> Self {
        let answered = wait_for("more than \"not now\"", PATIENCE, || async {
            let again = request.try_clone();
            let answer = Self::to(again.expect("a body that can be sent again")).await;
            (!answer.is_not_now()).then_some(answer)
        });
        answered.await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The answer, which must have this status.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often the status is all that a test asks"
    )]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The value of a header; empty when it is missing.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text in a field of the body.
    #[track_caller]
    pub fn text(&self, field: &str) -> String {
        let json = self.json();
        let text = json[field].as_str();
        text.unwrap_or_else(|| panic!("no text `{field}`: {self:?}"))
            .to_owned()
    }

    /// The items of the body, which must be a list.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        let json = self.json();
        let items = json.as_array();
        items.unwrap_or_else(|| panic!("no list: {self:?}")).clone()
    }

    /// The id of what the request created.
    #[track_caller]
    pub fn created_id(&self) -> String {
        assert_eq!(self.status, 201, "{self:?}");
        self.text("id")
    }

    /// A field exactly as the body has it. A number that is parsed as a double could have been
    /// rounded.
    #[track_caller]
    pub fn raw(&self, field: &str) -> String {
        let fields: serde_json::Result<BTreeMap<String, Box<RawValue>>> =
            serde_json::from_str(&self.body);
        let fields = fields.unwrap_or_else(|error| panic!("{error}: {self:?}"));
        fields[field].get().to_owned()
    }

    /// The path of the next page of a list.
    pub fn next_page(&self) -> Option<String> {
        let link = self.header("link").strip_suffix(">; rel=\"next\"")?;
        link.strip_prefix('<').map(str::to_owned)
    }

    /// The answer as a problem. The problem must be complete and of this kind.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        for field in ["title", "detail"] {
            assert_ne!(self.text(field), "", "{field}: {self:?}");
        }
        assert!(self.text("instance").starts_with('/'), "{self:?}");
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        let has_errors = problem.get("errors").is_some();
        assert_eq!(has_errors, slug == "validation-failed", "{self:?}");
        problem
    }

    /// The fields that a validation problem names, in alphabetical order.
    #[track_caller]
    pub fn invalid_fields(&self) -> Vec<String> {
        let problem = self.problem(422, "validation-failed");
        let errors = problem["errors"].as_array().into_iter().flatten();
        let mut pointers: Vec<String> = errors
            .map(|error| {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                assert_ne!(text("detail"), "", "{self:?}");
                text("pointer")
            })
            .collect();
        pointers.sort_unstable();
        pointers
    }

    /// Asserts that this is a problem of this kind that asks the client to come back.
    #[track_caller]
    pub fn assert_unavailable(&self, slug: &str) {
        assert_eq!(self.status, 503, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let seconds = self.header("retry-after").parse::<u64>();
        let is_bounded = seconds.is_ok_and(|seconds| (1..=MAX_RETRY_AFTER).contains(&seconds));
        assert!(is_bounded, "{self:?}");
        assert_eq!(self.json()["type"], format!("/problems/{slug}"));
    }

    /// Whether an earlier request with the same key is still worked on.
    pub fn is_in_progress(&self) -> bool {
        self.status == 409 && self.json()["type"] == "/problems/idempotency-in-progress"
    }

    fn is_not_now(&self) -> bool {
        let is_kind = |kind: &&str| self.json()["type"] == format!("/problems/{kind}");
        self.status == 503 && NOT_NOW.iter().any(is_kind)
    }
}
