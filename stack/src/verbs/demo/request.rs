//! The requests of the demo.

use reqwest::Method;

/// The service that gets a request.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    Inventory,
    Payments,
}

/// A request to a service.
pub(crate) struct Request {
    pub(super) service: Service,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<String>,
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
        Self::new(
            Service::Inventory,
            Method::POST,
            "/products".to_owned(),
            Some(body),
        )
    }

    pub(crate) fn product(id: &str) -> Self {
        let path = format!("/products/{id}");
        Self::new(Service::Inventory, Method::GET, path, None)
    }

    pub(crate) fn delete_product(id: &str) -> Self {
        let path = format!("/products/{id}");
        Self::new(Service::Inventory, Method::DELETE, path, None)
    }

    pub(crate) fn place_order(product_id: &str, quantity: u32) -> Self {
        let body = format!(r#"{{"product_id":"{product_id}","quantity":{quantity}}}"#);
        Self::new(
            Service::Payments,
            Method::POST,
            "/orders".to_owned(),
            Some(body),
        )
    }

    pub(crate) fn order(id: &str) -> Self {
        let path = format!("/orders/{id}");
        Self::new(Service::Payments, Method::GET, path, None)
    }

    /// Waits for an order: the answer comes when the order is final, or after 30 s.
    pub(crate) fn final_order(id: &str) -> Self {
        let path = format!("/orders/{id}?wait=final");
        Self::new(Service::Payments, Method::GET, path, None)
    }

    pub(crate) fn timeline(id: &str) -> Self {
        let path = format!("/orders/{id}/timeline");
        Self::new(Service::Payments, Method::GET, path, None)
    }

    pub(crate) fn cancel_order(id: &str) -> Self {
        let path = format!("/orders/{id}/cancel");
        Self::new(Service::Payments, Method::POST, path, None)
    }

    fn new(service: Service, method: Method, path: String, body: Option<String>) -> Self {
        Self {
            service,
            method,
            path,
            body,
        }
    }
}
