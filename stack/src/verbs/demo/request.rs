//! The requests of the demo.

use reqwest::{Method, StatusCode};

/// The service that gets a request.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    Inventory,
    Payments,
}

/// A request to a service, and the status that its answer must have.
pub(crate) struct Request {
    pub(super) service: Service,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<String>,
    pub(super) expected: StatusCode,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Payments => "payments",
        }
    }
}

impl Request {
    /// Creates a product. The price is text, so that it is sent as it is written.
    pub(crate) fn create_product(name: &str, price: &str, quantity: u64) -> Self {
        let body = format!(r#"{{"name":"{name}","price":{price},"quantity":{quantity}}}"#);
        Self::create(Service::Inventory, "/products", body)
    }

    pub(crate) fn product(id: &str) -> Self {
        Self::get(Service::Inventory, format!("/products/{id}"))
    }

    pub(crate) fn delete_product(id: &str) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::product(id).expecting(StatusCode::NO_CONTENT)
        }
    }

    pub(crate) fn place_order(product_id: &str, quantity: u32) -> Self {
        let body = format!(r#"{{"product_id":"{product_id}","quantity":{quantity}}}"#);
        Self::create(Service::Payments, "/orders", body)
    }

    pub(crate) fn order(id: &str) -> Self {
        Self::get(Service::Payments, format!("/orders/{id}"))
    }

    /// Waits for an order: the answer comes when the order is final, or after 30 s.
    pub(crate) fn final_order(id: &str) -> Self {
        Self::get(Service::Payments, format!("/orders/{id}?wait=final"))
    }

    pub(crate) fn timeline(id: &str) -> Self {
        Self::get(Service::Payments, format!("/orders/{id}/timeline"))
    }

    pub(crate) fn cancel_order(id: &str) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(Service::Payments, format!("/orders/{id}/cancel"))
        }
    }

    /// The same request, with another status that its answer must have.
    pub(crate) fn expecting(self, expected: StatusCode) -> Self {
        Self { expected, ..self }
    }

    fn get(service: Service, path: String) -> Self {
        Self {
            service,
            method: Method::GET,
            path,
            body: None,
            expected: StatusCode::OK,
        }
    }

    fn create(service: Service, path: &str, body: String) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(service, path.to_owned()).expecting(StatusCode::CREATED)
        }
    }
}
