//! Whatever a request says is acted on or refused: every operation of both documents is asked for more
//! than it takes, and for less.

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::contract::id::{OrderId, ProductId};

use crate::harness::{Answer, Shop};

/// What only those say who program with the framework, or with the standard library.
const FOREIGN: [&str; 8] = [
    "occurred while parsing",
    "failed to parse",
    "expects an input",
    "Type \"",
    "invalid digit",
    "invalid character",
    "provided string",
    "missing field",
];
const TIME: &str = "Fri, 20 Nov 2026 10:00:00 GMT";
/// Operations of both documents together.
const LEAST_OPERATIONS: usize = 20;

/// An operation of a service, with a body that it takes.
#[derive(Debug)]
struct Operation {
    service: &'static str,
    method: Method,
    path: String,
    parameters: Vec<Value>,
    body: Option<String>,
}

/// Both services, and something to ask about.
struct Subjects {
    shop: Shop,
    product: ProductId,
    order: OrderId,
    operations: Vec<Operation>,
}

impl Subjects {
    /// Nobody pays the order, so nothing changes by itself.
    async fn open() -> Self {
        let shop = Shop::start(Shop::builder().without("payments consume")).await;
        let product = shop.create_product("thing", 10).await;
        let (order, _) = shop.place_order(product, 1).await;
        let mut subjects = Self {
            shop,
            product,
            order,
            operations: Vec::new(),
        };
        for service in ["inventory", "payments"] {
            let document = subjects.request(service, Method::GET, "/openapi.json");
            let document = Answer::to(document).await.expect(200).json();
            for (path, methods) in document["paths"].as_object().unwrap() {
                for (method, operation) in methods.as_object().unwrap() {
                    let found = subjects.operation(service, path, method, operation, &document);
                    subjects.operations.push(found);
                }
            }
        }
        assert!(
            subjects.operations.len() >= LEAST_OPERATIONS,
            "{:#?}",
            subjects.operations
        );
        subjects
    }

    fn operation(
        &self,
        service: &'static str,
        path: &str,
        method: &str,
        operation: &Value,
        document: &Value,
    ) -> Operation {
        let id = if service == "inventory" {
            self.product.to_string()
        } else {
            self.order.to_string()
        };
        let content = operation["requestBody"]["content"].as_object();
        let example = content.map(|content| {
            let schema = content.values().next().unwrap()["schema"]["$ref"]
                .as_str()
                .unwrap();
            let schema = schema.rsplit('/').next().unwrap();
            document["components"]["schemas"][schema]["example"].to_string()
        });
        let body = example.map(|body| {
            let body = body.replace(&ProductId::EXAMPLE.to_string(), &self.product.to_string());
            body.replace(&OrderId::EXAMPLE.to_string(), &self.order.to_string())
        });
        Operation {
            service,
            method: method.to_uppercase().parse().unwrap(),
            path: path.replace("{id}", &id),
            parameters: operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
            body,
        }
    }

    fn request(&self, service: &str, method: Method, path: &str) -> RequestBuilder {
        match service {
            "inventory" => self.shop.to_inventory(method, path),
            _ => self.shop.to_payments(method, path),
        }
    }

    /// An operation, with this behind its path.
    fn ask(&self, operation: &Operation, behind: &str) -> RequestBuilder {
        let Operation {
            service,
            method,
            path,
            body,
            ..
        } = operation;
        let request = self.request(service, method.clone(), &format!("{path}{behind}"));
        let request = request.header("content-type", "application/json");
        body.iter()
            .fold(request, |request, body| request.body(body.clone()))
    }

    /// All that could have changed.
    async fn state(&self) -> Value {
        let product = format!("/products/{}", self.product);
        let order = format!("/orders/{}", self.order);
        let mut state = Vec::new();
        for (service, path) in [
            ("inventory", product.as_str()),
            ("inventory", "/products"),
            ("inventory", &format!("{product}/movements")),
            ("payments", &order),
            ("payments", "/orders"),
        ] {
            let answer = Answer::to(self.request(service, Method::GET, path)).await;
            state.push(answer.expect(200).json());
        }
        json!(state)
    }
}

impl Operation {
    fn changes(&self) -> bool {
        !self.method.is_safe()
    }

    fn declares(&self, name: &str) -> bool {
        self.parameters
            .iter()
            .any(|parameter| parameter["name"] == name)
    }
}

/// The answer, if it is a problem: a stream has no end.
async fn problem(request: RequestBuilder) -> Option<Answer> {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    if response.status().is_success() {
        return None;
    }
    let body = response.text().await.unwrap();
    let answer = Answer {
        status,
        headers,
        body,
        took: std::time::Duration::ZERO,
    };
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{answer:?}"
    );
    let detail = answer.text("detail");
    let foreign = FOREIGN.iter().find(|text| detail.contains(*text));
    assert_eq!(foreign, None, "{answer:?}");
    Some(answer)
}

#[tokio::test]
async fn every_change_honours_a_condition_or_refuses_it() {
    let subjects = Subjects::open().await;
    let before = subjects.state().await;
    for operation in subjects
        .operations
        .iter()
        .filter(|operation| operation.changes())
    {
        assert_eq!(
            operation.declares("If-Match"),
            operation.declares("If-None-Match")
        );
        for (name, value, statuses) in [
            ("if-match", "\"99\"", [400, 412]),
            ("if-match", "garbage", [400, 400]),
            ("if-none-match", "*", [400, 412]),
            ("if-none-match", "garbage", [400, 400]),
            ("if-unmodified-since", TIME, [400, 400]),
        ] {
            let mut request = subjects.ask(operation, "").header(name, value);
            // Counting has to name a version as well.
            if operation.path.ends_with("/stock") && name == "if-none-match" {
                request = request.header("if-match", "*");
            }
            let answer = problem(request).await;
            let status = answer.map_or(200, |answer| answer.status);
            assert!(
                statuses.contains(&status),
                "{operation:?}: {name}: {value}: {status}"
            );
        }
    }
    assert_eq!(subjects.state().await, before);
}

#[tokio::test]
async fn no_operation_that_shows_something_shows_it_for_another_version() {
    let subjects = Subjects::open().await;
    for operation in subjects
        .operations
        .iter()
        .filter(|operation| !operation.changes())
    {
        let answer = problem(subjects.ask(operation, "").header("if-match", "\"99\"")).await;
        let status = answer.map_or(200, |answer| answer.status);
        let expected = if operation.declares("If-Match") {
            412
        } else {
            400
        };
        assert_eq!(status, expected, "{operation:?}");
    }
}

#[tokio::test]
async fn no_operation_takes_a_parameter_that_it_does_not_declare() {
    let subjects = Subjects::open().await;
    let before = subjects.state().await;
    for operation in &subjects.operations {
        let answer = problem(subjects.ask(operation, "?no%5fsuch=1"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.text("type").as_str()),
            (400, "/problems/invalid-parameter")
        );
        let detail = answer.text("detail");
        assert!(
            detail.starts_with("no_such: there is no such parameter; "),
            "{detail}"
        );
    }
    assert_eq!(subjects.state().await, before);
}

#[tokio::test]
async fn what_is_wrong_with_a_parameter_is_said_in_words_of_ours() {
    let subjects = Subjects::open().await;
    let mut refused = 0;
    for operation in &subjects.operations {
        for parameter in &operation.parameters {
            let (name, place) = (
                parameter["name"].as_str().unwrap(),
                parameter["in"].as_str(),
            );
            let requests = match place {
                Some("query") => in_query(&subjects, operation, name),
                Some("header") => in_header(&subjects, operation, name),
                _ => continue,
            };
            for request in requests {
                let Some(answer) = problem(request).await.filter(|answer| answer.status == 400)
                else {
                    continue;
                };
                refused += 1;
                let detail = answer.text("detail");
                let about_cursor = answer.text("type") == "/problems/invalid-cursor";
                let says = detail.starts_with(&format!("{name}: "))
                    || detail.starts_with("the query must be UTF-8");
                assert!(says || about_cursor, "{operation:?}: {name}: {detail}");
            }
            if parameter["required"] == true && place == Some("query") {
                let missing = problem(subjects.ask(operation, "")).await.unwrap();
                assert!(
                    missing
                        .text("detail")
                        .starts_with(&format!("{name}: must be given"))
                );
            }
        }
    }
    assert!(refused >= 100, "{refused}");
}

/// The operation with values that a parameter of the query may not have.
fn in_query(subjects: &Subjects, operation: &Operation, name: &str) -> Vec<RequestBuilder> {
    let long = "x".repeat(300);
    let values = [
        "",
        "%00",
        "nonsense",
        "-1",
        "1e400",
        "%ff",
        "999999999999999999999",
        &long,
    ];
    let twice = format!("?{name}=1&{name}=1");
    let wrong = values.iter().map(|value| format!("?{name}={value}"));
    wrong
        .chain([twice])
        .map(|query| subjects.ask(operation, &query))
        .collect()
}

/// The operation with values that a header may not have.
fn in_header(subjects: &Subjects, operation: &Operation, name: &str) -> Vec<RequestBuilder> {
    // Only what is refused before anything happens may be said to a change.
    let values: [&[u8]; 5] = [b"\"", b"a b", b"\xff", b"nonsense \"", b"\"a\" \"b\""];
    let wrong = values.iter().map(|value| {
        let value = HeaderValue::from_bytes(value).unwrap();
        subjects.ask(operation, "").header(name, value)
    });
    wrong.collect()
}
