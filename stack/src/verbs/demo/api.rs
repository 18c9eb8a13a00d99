//! The HTTP APIs of both services, each call shown with its answer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use shared::contract::trace::RequestId;
use shared::http::idempotency::IDEMPOTENCY_KEY;
use stack::client;

use super::request::{Request, Service};
use crate::verbs::screen::{Ink, Screen, members};

/// The limit for one answer. The service ends the wait for an order after 30 s, and gives every
/// other answer far sooner.
const ANSWER_LIMIT: Duration = Duration::from_secs(45);

/// Both services of one system.
#[derive(Clone)]
pub(crate) struct Api {
    /// The screen that shows the calls.
    pub(crate) screen: Screen,
    client: Client,
    inventory_url: String,
    payments_url: String,
}

/// An answer of a service.
pub(crate) struct Answer {
    status: StatusCode,
    /// Whether the answer is an order in its final state.
    pub(crate) is_final: bool,
    /// The call, for error messages.
    call: String,
    /// The body as it was received.
    text: String,
    /// The body as JSON; null if it is empty.
    json: Value,
}

impl Api {
    pub(crate) fn new(inventory_url: String, payments_url: String, screen: Screen) -> Result<Self> {
        Ok(Self {
            screen,
            client: client::client(ANSWER_LIMIT)?,
            inventory_url,
            payments_url,
        })
    }

    /// Sends a request, and shows the request and its answer.
    pub(crate) async fn call(&self, request: Request) -> Result<Answer> {
        self.show_request(&request);
        let answer = self.send(&request).await?;
        self.show_answer(&answer);
        answer.expect(request.expected)
    }

    /// Sends a request without showing it.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer> {
        self.send(request).await?.expect(request.expected)
    }

    async fn send(&self, request: &Request) -> Result<Answer> {
        let call = format!("{} {}", request.method, request.path);
        let url = format!("{}{}", self.url(request.service), request.path);
        let mut question = self.client.request(request.method.clone(), url);
        if let Some(body) = &request.body {
            question = question
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        if request.method == Method::POST {
            // With REQUIRE_IDEMPOTENCY_KEY the services refuse a POST without a key.
            question = question.header(IDEMPOTENCY_KEY, RequestId::mint().as_str());
        }
        let answer = client::Answer::attempt(question)
            .await
            .with_context(|| format!("{call} got no whole answer"))?;
        Ok(Answer {
            status: StatusCode::from_u16(answer.status)?,
            is_final: answer.header("order-final") == "true",
            call,
            json: serde_json::from_str(&answer.body).unwrap_or_default(),
            text: answer.body,
        })
    }

    /// Whether the service answers that it is ready; `None` if it does not answer.
    pub(crate) async fn is_ready(&self, service: Service) -> Option<bool> {
        let url = format!("{}/readyz", self.url(service));
        let answer = client::Answer::attempt(self.client.get(url)).await.ok()?;
        Some(answer.status == StatusCode::OK.as_u16())
    }

    /// Shows a request.
    pub(crate) fn show_request(&self, request: &Request) {
        let call = self
            .screen
            .ink(Ink::Title, &format!("{} {}", request.method, request.path));
        let body = request.body.as_deref().unwrap_or_default();
        self.screen
            .labelled(request.service.name(), format!("{call} {body}").trim_end());
    }

    /// Shows an answer.
    pub(crate) fn show_answer(&self, answer: &Answer) {
        let good = answer.status.is_success();
        let ink = if good { Ink::Good } else { Ink::Bad };
        self.screen
            .labelled("", &self.screen.ink(ink, &answer.status.to_string()));
        self.screen.detail(members(answer.text.trim_end()));
    }

    fn url(&self, service: Service) -> &str {
        match service {
            Service::Inventory => &self.inventory_url,
            Service::Payments => &self.payments_url,
        }
    }
}

impl Answer {
    /// The answer, if it has this status.
    fn expect(self, status: StatusCode) -> Result<Self> {
        let Self {
            call, status: got, ..
        } = &self;
        ensure!(
            *got == status,
            "{call} answered {got} instead of {status}: {}",
            self.json["detail"].as_str().unwrap_or(&self.text)
        );
        Ok(self)
    }

    /// A text in the body.
    pub(crate) fn text(&self, member: &str) -> Result<&str> {
        let found = self.json[member].as_str();
        found.with_context(|| format!("the answer to {} has no text `{member}`", self.call))
    }

    /// Checks that the body has this text.
    pub(crate) fn expect_text(&self, member: &str, wanted: &str) -> Result<()> {
        let found = self.text(member)?;
        let call = &self.call;
        ensure!(
            found == wanted,
            "{call}: `{member}` is {found}, not {wanted}"
        );
        Ok(())
    }

    /// A whole number in the body.
    pub(crate) fn number(&self, member: &str) -> Result<u64> {
        let found = self.json[member].as_u64();
        found.with_context(|| format!("the answer to {} has no number `{member}`", self.call))
    }

    /// A list in the body.
    pub(super) fn list(&self, member: &str) -> Result<&[Value]> {
        let found = self.json[member].as_array();
        let list = found.with_context(|| format!("the answer to {} has no `{member}`", self.call));
        list.map(Vec::as_slice)
    }

    /// Whether the body has this member, written exactly like this.
    pub(super) fn says(&self, member: &str) -> bool {
        members(self.text.trim().trim_matches(['{', '}']))
            .any(|found| found.trim_end_matches(',') == member)
    }
}
