//! Operations whose paths end with a slash. The framework removes that slash from each path.

use std::collections::HashMap;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, MetaPath, Registry};

/// The operations of an API, with a slash at the end of each path.
#[derive(Clone)]
pub struct Slashed<A>(pub A);

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
