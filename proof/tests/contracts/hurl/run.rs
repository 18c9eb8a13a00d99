//! Sends the requests of a file to a running system and checks the answers.

use std::collections::BTreeMap;

use regex::Regex;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};
use shared::contract::id::OrderId;
use tokio::time::{Instant, interval_at};

use super::{Check, Entry, File, Filter, Part, Predicate, Subject};

/// Values for the names between double braces.
pub(crate) type Variables = BTreeMap<String, String>;

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

/// Runs a file. The first wrong answer ends it.
pub(crate) async fn run(
    client: &Client,
    file: &File,
    mut variables: Variables,
) -> Result<(), String> {
    for entry in &file.entries {
        for (name, value) in &entry.variables {
            variables.insert(name.clone(), fill(value, &variables)?);
        }
        let mut answered = once(client, entry, &mut variables).await;
        if answered.is_err() && entry.retry > 0 {
            let mut clock =
                interval_at(Instant::now() + entry.retry_interval, entry.retry_interval);
            for _ in 0..entry.retry {
                clock.tick().await;
                answered = once(client, entry, &mut variables).await;
                if answered.is_ok() {
                    break;
                }
            }
        }
        answered.map_err(|fault| format!("{}: {fault}", entry.title))?;
    }
    Ok(())
}

async fn once(client: &Client, entry: &Entry, variables: &mut Variables) -> Result<(), String> {
    let answer = send(client, entry, variables).await?;
    answer.assert(&Check::status(entry.status), variables)?;
    // Before the asserts, because they may use a captured value.
    for (name, subject) in &entry.captures {
        let found = answer
            .find(subject)
            .ok_or_else(|| format!("there is no {name}"))?;
        variables.insert(name.clone(), plain(&found));
    }
    entry
        .checks
        .iter()
        .try_for_each(|check| answer.assert(check, variables))
}

async fn send(client: &Client, entry: &Entry, variables: &Variables) -> Result<Answer, String> {
    let method: Method = entry.method.parse().map_err(|_| entry.method.clone())?;
    let mut url: Url = fill(&entry.url, variables)?
        .parse()
        .map_err(|_| entry.url.clone())?;
    for (name, value) in &entry.query {
        url.query_pairs_mut()
            .append_pair(name, &fill(value, variables)?);
    }
    let mut request = client.request(method, url);
    for (name, value) in &entry.headers {
        request = request.header(name, fill(value, variables)?);
    }
    if let Some(body) = &entry.body {
        // Like Hurl itself: the type of a body in JSON is JSON unless the file names another type.
        let typed = entry
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !typed && body.starts_with('{') {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request = request.body(fill(body, variables)?);
    }
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.text().await.map_err(|error| error.to_string())?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

impl Answer {
    fn assert(&self, check: &Check, variables: &Variables) -> Result<(), String> {
        let found = self.find(&check.subject);
        if holds(&check.predicate, found.as_ref(), variables)? != check.negated {
            return Ok(());
        }
        let (
            Self {
                status,
                headers,
                body,
            },
            text,
        ) = (self, &check.text);
        let found = found.map_or("nothing".to_owned(), |found| found.to_string());
        Err(format!(
            "{text}: found {found} in {status} {headers:#?}\n{body}"
        ))
    }

    fn find(&self, subject: &Subject) -> Option<Value> {
        let found = match &subject.part {
            Part::Status => json!(self.status),
            Part::Body => json!(self.body),
            Part::Header(name) => json!(self.headers.get(name)?.to_str().ok()?),
            Part::Json(steps) => {
                let body: Value = serde_json::from_str(&self.body).ok()?;
                let step = |place: &Value, step: &String| match step.parse::<usize>() {
                    Ok(index) => place.get(index).cloned(),
                    Err(_) => place.get(step).cloned(),
                };
                steps
                    .iter()
                    .try_fold(body, |place, name| step(&place, name))?
            }
        };
        subject
            .filters
            .iter()
            .try_fold(found, |found, filter| match filter {
                Filter::Count => found.as_array().map(|items| json!(items.len())),
                Filter::Regex(pattern) => {
                    let group = Regex::new(pattern)
                        .ok()?
                        .captures(found.as_str()?)?
                        .get(1)?;
                    Some(json!(group.as_str()))
                }
            })
    }
}

fn holds(
    predicate: &Predicate,
    found: Option<&Value>,
    variables: &Variables,
) -> Result<bool, String> {
    let Some(found) = found else {
        return Ok(false);
    };
    Ok(match predicate {
        Predicate::Exists => true,
        Predicate::Is("isString") => found.is_string(),
        Predicate::Is("isInteger") => found.is_i64() || found.is_u64(),
        Predicate::Is("isNumber") => found.is_number(),
        Predicate::Is("isList") => found.is_array(),
        Predicate::Is("isEmpty") => *found == json!("") || *found == json!([]),
        Predicate::Is(kind) => return Err(format!("{kind} is not understood")),
        Predicate::Matches(pattern) => {
            let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
            found.as_str().is_some_and(|found| pattern.is_match(found))
        }
        Predicate::Compare(comparison, wanted) => {
            let wanted = match wanted {
                Value::String(text) => json!(fill(text, variables)?),
                other => other.clone(),
            };
            compare(comparison, found, &wanted)
        }
    })
}

fn compare(comparison: &str, found: &Value, wanted: &Value) -> bool {
    let numbers = (found.as_f64(), wanted.as_f64());
    let texts = found.as_str().zip(wanted.as_str());
    match (comparison, numbers) {
        ("==", (Some(found), Some(wanted))) => found.total_cmp(&wanted).is_eq(),
        ("!=", (Some(found), Some(wanted))) => found.total_cmp(&wanted).is_ne(),
        (">", (Some(found), Some(wanted))) => found > wanted,
        (">=", (Some(found), Some(wanted))) => found >= wanted,
        ("<", (Some(found), Some(wanted))) => found < wanted,
        ("<=", (Some(found), Some(wanted))) => found <= wanted,
        ("==", _) => found == wanted,
        ("!=", _) => found != wanted,
        ("contains", _) => texts.is_some_and(|(found, wanted)| found.contains(wanted)),
        ("startsWith", _) => texts.is_some_and(|(found, wanted)| found.starts_with(wanted)),
        ("endsWith", _) => texts.is_some_and(|(found, wanted)| found.ends_with(wanted)),
        _ => false,
    }
}

/// The text with the values of its variables.
fn fill(text: &str, variables: &Variables) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after
            .split_once("}}")
            .ok_or_else(|| format!("no }}}} in {text}"))?;
        filled.push_str(before);
        match name {
            "newUuid" => filled.push_str(&OrderId::mint().to_string()),
            _ => filled.push_str(variables.get(name).ok_or_else(|| format!("no {name}"))?),
        }
        rest = after;
    }
    Ok(filled + rest)
}

/// A value as it stands in a text.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
