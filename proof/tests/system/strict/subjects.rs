//! Every operation of both services, with an existing product and order.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::contract::id::{OrderId, ProductId};

use crate::harness::{Answer, Shop};

/// An operation of a service, with a body that it takes.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) service: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<String>,
}

/// Both services, and the product and order that requests are about.
pub(super) struct Subjects {
    pub(super) shop: Shop,
    pub(super) product: ProductId,
    pub(super) order: OrderId,
    pub(super) operations: Vec<Operation>,
}

impl Subjects {
    /// The order stays pending, so no state changes by itself.
    pub(super) async fn open() -> Self {
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
            subjects.operations.len() >= super::LEAST_OPERATIONS,
            "{:#?}",
            subjects.operations
        );
        subjects
    }

    pub(super) fn operation(
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

    pub(super) fn request(&self, service: &str, method: Method, path: &str) -> RequestBuilder {
        match service {
            "inventory" => self.shop.to_inventory(method, path),
            _ => self.shop.to_payments(method, path),
        }
    }

    /// A request for the operation, with this text behind its path.
    pub(super) fn ask(&self, operation: &Operation, behind: &str) -> RequestBuilder {
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

    /// Every state that a request could have changed.
    pub(super) async fn state(&self) -> Value {
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
    pub(super) fn changes(&self) -> bool {
        !self.method.is_safe()
    }

    pub(super) fn declares(&self, name: &str) -> bool {
        self.parameters
            .iter()
            .any(|parameter| parameter["name"] == name)
    }
}

/// The answer if it is a problem. A stream is not read, because it has no end.
pub(super) async fn problem(request: RequestBuilder) -> Option<Answer> {
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
    let foreign = super::FOREIGN.iter().find(|text| detail.contains(*text));
    assert_eq!(foreign, None, "{answer:?}");
    Some(answer)
}
