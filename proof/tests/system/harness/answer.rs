//! An answer of a service.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;
use stack::wait::wait_for;

use super::LIMIT;

/// An answer with everything a test may want to know about it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// From the request to the last byte.
    pub(crate) took: Duration,
}

impl Answer {
    /// Sends a request that must be answered.
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        Self::attempt(request).await.unwrap()
    }

    /// Sends a request that may find nobody there.
    pub(crate) async fn attempt(request: RequestBuilder) -> reqwest::Result<Self> {
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

    /// Sends a request until it is answered with more than "not now": a process that has no place left
    /// for it, or whose store stalls, as the disk of a busy machine makes it do at times.
    pub(crate) async fn patiently(request: RequestBuilder) -> Self {
        let answered = wait_for("more than \"not now\"", LIMIT, || async {
            let answer = Self::to(request.try_clone().unwrap()).await;
            (!answer.is_not_now()).then_some(answer)
        });
        answered.await.unwrap()
    }

    fn is_not_now(&self) -> bool {
        let kinds = ["overloaded", "store-refused", "store-unavailable"];
        self.status == 503
            && kinds
                .iter()
                .any(|kind| self.json()["type"] == format!("/problems/{kind}"))
    }

    /// Whether the same request, made before, is still being worked on.
    pub(crate) fn is_in_progress(&self) -> bool {
        self.status == 409 && self.json()["type"] == "/problems/idempotency-in-progress"
    }

    /// The answer, which must have this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The value of a header; empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A field of text.
    pub(crate) fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap().to_owned()
    }

    /// A field as it is written in the body: a number read as a double could be any of its
    /// neighbours.
    pub(crate) fn raw(&self, field: &str) -> String {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&self.body).unwrap();
        fields[field].get().to_owned()
    }

    /// Where the next page of a list is.
    pub(crate) fn next_page(&self) -> Option<String> {
        let link = self.header("link").strip_suffix(">; rel=\"next\"")?;
        link.strip_prefix('<').map(str::to_owned)
    }

    /// The answer, which must be a problem of this kind that asks to come back later.
    pub(crate) fn assert_unavailable(&self, slug: &str) {
        assert_eq!(self.status, 503, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let seconds: u64 = self.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{self:?}");
        assert_eq!(self.json()["type"], format!("/problems/{slug}"));
    }
}
