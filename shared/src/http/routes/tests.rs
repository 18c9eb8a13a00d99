//! Which paths and methods routes have.

use poem::handler;

use super::*;
use crate::http::slashed::Slashed;

struct Orders;

#[OpenApi]
impl Orders {
    #[oai(path = "/orders", method = "get", method = "post")]
    async fn list(&self) {}

    #[oai(path = "/orders/stream", method = "get")]
    async fn stream(&self) {}

    #[oai(path = "/orders/:id", method = "delete")]
    async fn one(&self) {}

    #[oai(path = "/orders/:id/cancel", method = "post")]
    async fn cancel(&self) {}
}

#[handler]
fn page() {}

fn allowed(path: &str) -> Option<String> {
    let routes = Routes::default().api(Orders, &NO_STORE).page("/docs", page);
    let allow = routes.find(path)?.allow();
    allow.to_str().map(str::to_owned).ok()
}

#[test]
fn a_path_allows_the_methods_it_has() {
    for (path, expected) in [
        ("/orders", Some("GET, HEAD, POST")),
        ("/orders/7/cancel", Some("POST")),
        ("/docs", Some("GET, HEAD")),
        ("/", None),
        ("orders", None),
        ("*", Some("DELETE, GET, HEAD, POST")),
        ("/orders/", None),
        ("/orders/7/8", None),
        ("/orders/7/cancel/", None),
    ] {
        assert_eq!(allowed(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_segment_that_is_named_goes_before_a_parameter() {
    assert_eq!(allowed("/orders/stream").as_deref(), Some("GET, HEAD"));
    assert_eq!(allowed("/orders/7").as_deref(), Some("DELETE"));
    assert_eq!(allowed("/orders/stream/cancel").as_deref(), Some("POST"));
}

/// Every request arrives without that slash.
#[test]
fn a_slash_at_the_end_of_an_operation_is_for_the_document() {
    let routes = Routes::default().api(Slashed(Orders), &NO_STORE);
    let allow = routes.find("/orders").map(Endpoint::allow);
    assert_eq!(allow.unwrap(), "GET, HEAD, POST");
    assert!(routes.find("/orders/").is_none());
    let paths: Vec<_> = Slashed::<Orders>::meta()[0]
        .paths
        .iter()
        .map(|path| path.path.clone())
        .collect();
    assert!(paths.iter().all(|path| path.ends_with('/')), "{paths:?}");
}

#[test]
fn an_endpoint_knows_which_segments_are_parameters() {
    let routes = Routes::default().api(Orders, &NO_STORE);
    let parameters = |path| {
        routes
            .find(path)
            .map(|endpoint| endpoint.parameters.to_vec())
    };
    assert_eq!(parameters("/orders/7/cancel"), Some(vec![2]));
    assert_eq!(parameters("/orders"), Some(vec![]));
}
