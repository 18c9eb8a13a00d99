//! The requests as a Postman collection: one folder for each file, checks and captures as scripts.

use serde_json::{Value, json};
use stack::ports::Ports;

use crate::hurl::{Check, Entry, File, Filter, Part, Predicate, Subject};
use crate::requests::files;
use crate::tree::assert_current;

/// The schema by which importers recognise the format.
const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
const COLLECTION: &str = "contracts/requests/postman_collection.json";
const ENVIRONMENT: &str = "contracts/requests/postman_environment.json";
/// The variable that counts how often a request was sent again.
const RETRIES: &str = "retries";

fn collection() -> Value {
    let folders: Vec<Value> = files().values().map(folder).collect();
    let about = "Generated from the Hurl files beside it: `just contracts`. Every folder runs from \
        top to bottom on its own, with the environment that stands beside it.";
    json!({
        "info": {"name": "Pas de Deux", "description": about, "schema": SCHEMA},
        "item": folders,
    })
}

/// The addresses of `cargo run-all`.
fn environment() -> Value {
    let ports = Ports::standard(0).unwrap();
    let services = [
        ("inventory", ports.inventory_http),
        ("payments", ports.payments_http),
    ];
    let values = services.map(|(name, port)| {
        let url = format!("http://localhost:{port}");
        json!({"key": name, "value": url, "type": "default", "enabled": true})
    });
    json!({
        "name": "Pas de Deux, local",
        "values": values,
        "_postman_variable_scope": "environment",
    })
}

fn folder(file: &File) -> Value {
    let requests: Vec<Value> = file.entries.iter().map(item).collect();
    json!({"name": file.title, "description": file.about, "item": requests})
}

fn item(entry: &Entry) -> Value {
    let headers = entry.headers.iter().map(|(name, value)| pair(name, value));
    let json_body = entry
        .body
        .as_ref()
        .is_some_and(|body| body.starts_with('{'));
    let typed = entry
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = (json_body && !typed).then(|| pair("Content-Type", "application/json"));
    let headers: Vec<Value> = headers.chain(content_type).collect();
    let mut request = json!({
        "description": entry.about,
        "method": entry.method,
        "header": headers,
        "url": url(entry),
    });
    if let Some(body) = &entry.body {
        let language = if json_body { "json" } else { "text" };
        request["body"] = json!({
            "mode": "raw",
            "raw": dynamic(body),
            "options": {"raw": {"language": language}},
        });
    }
    let set: Vec<String> = entry
        .variables
        .iter()
        .map(|(name, value)| set(name, &text(value)))
        .collect();
    let mut events = vec![event("test", &tests(entry))];
    if !set.is_empty() {
        events.insert(0, event("prerequest", &set));
    }
    json!({"name": entry.title, "event": events, "request": request})
}

fn url(entry: &Entry) -> Value {
    let (base, path) = entry.url.split_once("}}").unwrap();
    let base = format!("{base}}}}}");
    let pairs = entry
        .query
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let query = pairs.collect::<Vec<_>>().join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    let mut url = json!({"raw": format!("{}{mark}{query}", entry.url), "host": [base]});
    // A variable with a path in it begins with a slash already.
    if let Some(path) = path.strip_prefix('/') {
        url["path"] = path.split('/').collect();
    } else {
        url["host"] = json!([entry.url]);
    }
    if !query.is_empty() {
        url["query"] = entry
            .query
            .iter()
            .map(|(name, value)| pair(name, value))
            .collect();
    }
    url
}

fn tests(entry: &Entry) -> Vec<String> {
    let mut script = Vec::new();
    if entry.body_is_read() {
        script.push("const json = pm.response.json();".to_owned());
    }
    let captures = entry.captures.iter();
    script.extend(captures.map(|(name, subject)| set(name, &value(subject))));
    script.push("const checks = {".to_owned());
    let status = Check::status(entry.status);
    let checks = std::iter::once(&status).chain(&entry.checks);
    script
        .extend(checks.map(|check| format!("  {}: () => {},", quoted(&check.text), expect(check))));
    script.push("};".to_owned());
    if entry.retry > 0 {
        script.extend(retry(entry));
    } else {
        script.push(
            "Object.entries(checks).forEach(([name, check]) => pm.test(name, check));".into(),
        );
    }
    script
}

/// Sends the request again while a check fails, up to a limit. Only then the checks are reported.
fn retry(entry: &Entry) -> Vec<String> {
    let (limit, pause) = (entry.retry, entry.retry_interval.as_millis());
    [
        "const fails = (check) => { try { check(); } catch { return true; } };",
        &format!("const retries = Number(pm.collectionVariables.get(\"{RETRIES}\") || 0);"),
        &format!("if (retries < {limit} && Object.values(checks).some(fails)) {{"),
        &format!("  pm.collectionVariables.set(\"{RETRIES}\", retries + 1);"),
        "  pm.execution.setNextRequest(pm.info.requestName);",
        &format!("  setTimeout(() => {{}}, {pause});"),
        "} else {",
        &format!("  pm.collectionVariables.unset(\"{RETRIES}\");"),
        "  Object.entries(checks).forEach(([name, check]) => pm.test(name, check));",
        "}",
    ]
    .map(str::to_owned)
    .into()
}

impl Entry {
    fn body_is_read(&self) -> bool {
        let checked = self.checks.iter().map(|check| &check.subject);
        let kept = self.captures.iter().map(|(_, subject)| subject);
        checked
            .chain(kept)
            .any(|subject| matches!(subject.part, Part::Json(_)))
    }
}

/// A part of the answer, in JavaScript.
fn value(subject: &Subject) -> String {
    let part = match &subject.part {
        Part::Status => "pm.response.code".to_owned(),
        Part::Body => "pm.response.text()".to_owned(),
        Part::Header(name) => format!("pm.response.headers.get({})", quoted(name)),
        Part::Json(steps) => {
            let member = |step: &String| match step.parse::<usize>() {
                Ok(index) => format!("?.[{index}]"),
                Err(_) => format!("?.{step}"),
            };
            format!("json{}", steps.iter().map(member).collect::<String>())
        }
    };
    subject
        .filters
        .iter()
        .fold(part, |value, filter| match filter {
            Filter::Count => format!("{value}.length"),
            Filter::Regex(pattern) => format!("{value}.match({})[1]", regex(pattern)),
        })
}

fn expect(check: &Check) -> String {
    let value = value(&check.subject);
    let holds = match &check.predicate {
        // For a missing header Postman answers null, and for a missing member JavaScript answers
        // undefined.
        Predicate::Exists => format!("({value} ?? null) !== null"),
        Predicate::Is("isString") => format!("typeof {value} === \"string\""),
        Predicate::Is("isNumber") => format!("typeof {value} === \"number\""),
        Predicate::Is("isInteger") => format!("Number.isInteger({value})"),
        Predicate::Is("isList") => format!("Array.isArray({value})"),
        Predicate::Is("isEmpty") => format!("{value}.length === 0"),
        Predicate::Is(kind) => panic!("{kind} has no counterpart"),
        Predicate::Matches(pattern) => format!("{}.test({value})", regex(pattern)),
        Predicate::Compare(comparison, Value::String(wanted)) => {
            compare(comparison, &value, &text(wanted))
        }
        Predicate::Compare(comparison, wanted) => compare(comparison, &value, &wanted.to_string()),
    };
    format!("pm.expect({holds}, {value}).to.be.{}", !check.negated)
}

fn compare(comparison: &str, value: &str, wanted: &str) -> String {
    match comparison {
        "contains" => format!("{value}.includes({wanted})"),
        "startsWith" => format!("{value}.startsWith({wanted})"),
        "endsWith" => format!("{value}.endsWith({wanted})"),
        "==" => format!("{value} === {wanted}"),
        "!=" => format!("{value} !== {wanted}"),
        order => format!("{value} {order} {wanted}"),
    }
}

/// A text in JavaScript, with the values of its variables.
fn text(text: &str) -> String {
    let plain = quoted(&dynamic(text));
    if text.contains("{{") {
        format!("pm.variables.replaceIn({plain})")
    } else {
        plain
    }
}

/// Replaces the name of a function that Hurl and Postman call differently.
fn dynamic(text: &str) -> String {
    text.replace("{{newUuid}}", "{{$guid}}")
}

fn set(name: &str, value: &str) -> String {
    format!("pm.collectionVariables.set({}, {value});", quoted(name))
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn regex(pattern: &str) -> String {
    format!("/{}/", pattern.replace('/', "\\/"))
}

fn pair(name: &str, value: &str) -> Value {
    json!({"key": name, "value": dynamic(value)})
}

fn event(listen: &str, script: &[String]) -> Value {
    json!({"listen": listen, "script": {"type": "text/javascript", "exec": script}})
}

#[test]
fn the_postman_files_are_made_from_the_requests() {
    assert_current(COLLECTION, &format!("{:#}\n", collection()));
    assert_current(ENVIRONMENT, &format!("{:#}\n", environment()));
}

/// Postman finds the request to send again by its name.
#[test]
fn no_two_requests_have_the_same_title() {
    let files = files();
    let mut titles: Vec<&str> = files
        .values()
        .flat_map(|file| &file.entries)
        .map(|entry| entry.title.as_str())
        .collect();
    let all = titles.len();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), all, "{titles:?}");
    assert!(titles.iter().all(|title| !title.is_empty()), "{titles:?}");
}
