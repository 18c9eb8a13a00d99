//! Operations whose paths end with a slash in the document. The framework removes that slash from
//! each path. Requests may have it or not: see `request::target`.

use std::collections::HashMap;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, MetaPath, Registry};

/// The operations of an API, with a slash at the end of each path.
#[derive(Clone)]
pub struct Slashed<A>(pub A);

/// A path without a slash at its end, as the paths of requests are.
pub(crate) fn without(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some(short) if !short.is_empty() => short,
        _ => path,
    }
}

impl<A: OpenApi> OpenApi for Slashed<A> {
    fn meta() -> Vec<MetaApi> {
        let mut apis = A::meta();
        let paths = apis.iter_mut().flat_map(|api| &mut api.paths);
        paths.for_each(|MetaPath { path, .. }| path.push('/'));
        apis
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut own = HashMap::new();
        self.0.add_routes(&mut own);
        for (path, operations) in own {
            let path = format!("{path}/");
            routes.entry(path).or_default().extend(operations);
        }
    }
}
