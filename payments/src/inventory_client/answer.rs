//! Reads the answers of inventory. No part of an answer is trusted.

use std::error::Error;
use std::io;

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::contract::id::{OrderId, ProductId};

use super::{InventoryError, MAX_ANSWER_BYTES, Movement, Offer};

/// The part of a product that matters here. The price is kept as text until it is read exactly.
#[derive(Deserialize)]
struct Answer<'a> {
    id: String,
    #[serde(borrow)]
    price: &'a RawValue,
    quantity: u64,
}

/// The part of a movement that matters here.
#[derive(Deserialize)]
struct MovementAnswer<'a> {
    id: String,
    order_id: &'a str,
    delta: i64,
    balance: u64,
    at: &'a str,
}

/// A JSON answer with status 200.
pub(super) struct Answered {
    pub(super) body: Vec<u8>,
    /// Where the next page of a list begins.
    pub(super) cursor: Option<String>,
}

/// Why there is no answer.
pub(super) fn no_answer(error: &reqwest::Error) -> InventoryError {
    if error.is_timeout() && !error.is_connect() {
        return InventoryError::TooSlow;
    }
    InventoryError::Unavailable(reason(error).to_owned())
}

/// Why no answer came. The texts of the libraries are not for people, and some repeat the URL.
fn reason(error: &reqwest::Error) -> &'static str {
    let mut next = error.source();
    while let Some(cause) = next {
        match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "connection refused",
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                return "its host cannot be reached";
            }
            _ if cause.to_string().contains("failed to lookup address") => return "unknown host",
            _ => next = cause.source(),
        }
    }
    match error {
        error if error.is_timeout() => "no answer in time",
        error if error.is_connect() => "no connection can be made",
        error if error.is_body() || error.is_decode() => "the answer broke off",
        _ => "the connection was cut, or what answers there is no HTTP server",
    }
}

/// Reads an answer. Another status, or another type than JSON, is an error.
pub(super) async fn read(response: Response) -> Result<Answered, InventoryError> {
    let status = response.status();
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    match (status, content_type.as_str()) {
        (StatusCode::OK, "application/json") => {
            let cursor = response
                .headers()
                .get(header::LINK)
                .and_then(|link| link.to_str().ok());
            let cursor = cursor.and_then(next_cursor);
            Ok(Answered {
                body: body(response).await?,
                cursor,
            })
        }
        (StatusCode::NOT_FOUND, shared::http::problem::PROBLEM_JSON) => {
            Err(InventoryError::NotFound)
        }
        (status, _) if may_pass(status, response.headers()) => {
            Err(InventoryError::Unavailable(status.to_string()))
        }
        (status, shared::http::problem::PROBLEM_JSON) if status.is_client_error() => {
            Err(InventoryError::Refused(status.to_string()))
        }
        (status, content_type) => Err(InventoryError::Nonsense(format!(
            "{status} with {content_type:?}"
        ))),
    }
}

/// Whether another attempt may get another answer.
fn may_pass(status: StatusCode, headers: &HeaderMap) -> bool {
    const PASSING: [StatusCode; 2] = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error()
        || PASSING.contains(&status)
        || headers.contains_key(header::RETRY_AFTER)
}

/// The cursor in a `Link` to the next page. The path of the link is not used: it is known.
fn next_cursor(link: &str) -> Option<String> {
    let target = link.strip_suffix(">; rel=\"next\"")?;
    let (_, query) = target.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == "cursor").then(|| value.into_owned()))
}

/// Reads the body, and stops when it is larger than [`MAX_ANSWER_BYTES`].
async fn body(mut response: Response) -> Result<Vec<u8>, InventoryError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(InventoryError::Nonsense(format!(
                "more than {MAX_ANSWER_BYTES} bytes"
            )));
        }
    }
    Ok(body)
}

pub(super) fn parse_offer(body: &[u8], id: ProductId) -> Result<Offer, InventoryError> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| nonsense(&error))?;
    if answer.id.parse() != Ok(id) {
        return Err(InventoryError::Nonsense(
            "another product than asked for".to_owned(),
        ));
    }
    let price = answer
        .price
        .get()
        .parse()
        .map_err(|error| nonsense(&error))?;
    Ok(Offer {
        price,
        quantity: answer.quantity,
    })
}

pub(super) fn parse_movement(
    body: &[u8],
    order: OrderId,
) -> Result<Option<Movement>, InventoryError> {
    let answers: Vec<MovementAnswer<'_>> =
        serde_json::from_slice(body).map_err(|error| nonsense(&error))?;
    let Some(answer) = answers.into_iter().next() else {
        return Ok(None);
    };
    if answer.order_id.parse() != Ok(order) {
        return Err(InventoryError::Nonsense(
            "the movement of another order".to_owned(),
        ));
    }
    let at = answer.at.parse().map_err(|error| nonsense(&error))?;
    Ok(Some(Movement {
        id: answer.id,
        delta: answer.delta,
        balance: answer.balance,
        at,
    }))
}

pub(super) fn nonsense(error: &dyn std::fmt::Display) -> InventoryError {
    InventoryError::Nonsense(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_exactly_or_not_at_all() {
        let id = ProductId::mint();
        let answer = |price: &str, quantity: &str| {
            format!(r#"{{"id":"{id}","price":{price},"quantity":{quantity},"x":1}}"#)
        };
        let offer = parse_offer(answer("19.90", "3").as_bytes(), id).unwrap();
        assert_eq!(
            offer,
            Offer {
                price: "19.90".parse().unwrap(),
                quantity: 3
            }
        );
        for (price, quantity) in [
            ("-1", "3"),
            ("1e-3", "3"),
            ("NaN", "3"),
            ("1.999", "3"),
            ("1", "-3"),
            ("{}", "3"),
        ] {
            let nonsense = parse_offer(answer(price, quantity).as_bytes(), id);
            assert!(
                matches!(nonsense, Err(InventoryError::Nonsense(_))),
                "{price} {quantity}"
            );
        }
        let other = parse_offer(answer("1", "1").as_bytes(), ProductId::mint());
        assert!(matches!(other, Err(InventoryError::Nonsense(_))));
        assert!(matches!(
            parse_offer(b"<html>", id),
            Err(InventoryError::Nonsense(_))
        ));
    }
}
