//! The router: which endpoint answers a path, and which methods a path has.
//!
//! The framework's own router copies a path and each of its parameters. It parses the address again
//! for every nested part, and wraps each step in a future of its own. This router walks down a tree
//! of path segments and hands the request to the endpoint of the operation.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use poem::endpoint::{BoxEndpoint, DynEndpoint};
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderValue, Method};
use poem::{EndpointExt, IntoEndpoint, Request, Response};
use poem_openapi::OpenApi;

use crate::base::pieces::Pieces;
use crate::http::declared::Declared;
use crate::http::problem::{self, Kind};

/// The paths of a process, and their endpoints.
#[derive(Default)]
pub struct Routes {
    root: Node,
    /// Answers `OPTIONS *`, which asks for the methods of all paths together (RFC 9110, 9.3.7).
    everywhere: Endpoint,
    /// The kinds of problems that only this service has.
    problems: Vec<&'static Kind>,
    /// The headers that only this service answers with, and that pages of other origins may read.
    exposed: Vec<&'static str>,
}

/// A node of the tree: the paths that begin with the same segments, by their next segment.
#[derive(Default)]
struct Node {
    literals: Vec<(String, Node)>,
    parameter: Option<Box<Node>>,
    endpoint: Option<Endpoint>,
}

/// The operations at a path.
pub(crate) struct Endpoint {
    operations: Vec<Operation>,
    allow: HeaderValue,
    /// `Cache-Control` of an answer whose handler sets none.
    pub(crate) caching: HeaderValue,
    /// Which segments of the path are parameters.
    pub(crate) parameters: Arc<[usize]>,
}

/// An operation: one method at a path.
struct Operation {
    method: Method,
    handler: BoxEndpoint<'static>,
    /// The parameters that the operation takes. `None` for a page: it takes any.
    declared: Option<Declared>,
}

/// The answer of an endpoint, to be awaited.
pub(crate) type Answer<'a> = BoxFuture<'a, poem::Result<Response>>;

/// `Cache-Control` of an answer that no cache may keep.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl Routes {
    /// Adds the operations of an API. `caching` is the `Cache-Control` of their answers.
    #[must_use]
    pub fn api<A: OpenApi>(mut self, api: A, caching: &HeaderValue) -> Self {
        let mut endpoints = HashMap::new();
        api.add_routes(&mut endpoints);
        for (path, operations) in endpoints {
            let endpoint = self.endpoint(&path);
            endpoint.caching = caching.clone();
            for (method, handler) in operations {
                endpoint.add(Operation {
                    method,
                    handler,
                    declared: Some(Declared::default()),
                });
            }
        }
        for path in A::meta().into_iter().flat_map(|api| api.paths) {
            let endpoint = self.endpoint(&path.path);
            for described in &path.operations {
                let called = |operation: &&mut Operation| operation.method == described.method;
                if let Some(operation) = endpoint.operations.iter_mut().find(called) {
                    operation.declared = Some(Declared::of(described));
                }
            }
        }
        self.count_methods()
    }

    /// Adds a page.
    #[must_use]
    pub fn page<E>(mut self, path: &str, page: E) -> Self
    where
        E: IntoEndpoint<Endpoint: 'static>,
    {
        let handler = page.map_to_response().boxed();
        self.endpoint(path).add(Operation {
            method: Method::GET,
            handler,
            declared: None,
        });
        self.count_methods()
    }

    /// Adds the kinds of problems that only this service has. [`problem`] has those of every
    /// service.
    #[must_use]
    pub fn problems(mut self, kinds: &[&'static Kind]) -> Self {
        self.problems.extend(kinds);
        self
    }

    /// Adds a header of answers that pages of other origins may read.
    #[must_use]
    pub fn expose(mut self, header: &'static str) -> Self {
        self.exposed.push(header);
        self
    }

    /// All kinds of problems that this service may answer with.
    pub(crate) fn kinds(&self) -> Arc<[&'static Kind]> {
        problem::KINDS
            .iter()
            .chain(&self.problems)
            .copied()
            .collect()
    }

    /// The headers that were added with [`Routes::expose`].
    pub(crate) fn exposed(&self) -> &[&'static str] {
        &self.exposed
    }

    /// Finds the endpoint at the path of a request. A literal segment goes before a parameter.
    pub(crate) fn find(&self, path: &str) -> Option<&Endpoint> {
        match path.strip_prefix('/') {
            Some(path) => self.root.find(path),
            None => (path == "*").then_some(&self.everywhere),
        }
    }

    fn count_methods(mut self) -> Self {
        let mut methods = Vec::new();
        self.root.collect_methods(&mut methods);
        self.everywhere.allow = allow(methods);
        self
    }

    /// The endpoint at a path, made if need be. A parameter is written `:id`, or `{id}` as in
    /// documents.
    fn endpoint(&mut self, path: &str) -> &mut Endpoint {
        let path = crate::http::slashed::without(path);
        let (mut node, mut parameters) = (&mut self.root, Vec::new());
        for (index, segment) in path.split('/').enumerate().skip(1) {
            if segment.starts_with([':', '{']) {
                parameters.push(index);
                node = node.parameter.get_or_insert_default();
            } else {
                node = node.literal(segment);
            }
        }
        node.endpoint.get_or_insert_with(|| Endpoint {
            parameters: parameters.into(),
            ..Endpoint::default()
        })
    }
}

impl Node {
    fn literal(&mut self, segment: &str) -> &mut Self {
        let known = self.literals.iter().position(|(name, _)| name == segment);
        let index = known.unwrap_or_else(|| {
            self.literals.push((segment.to_owned(), Self::default()));
            self.literals.len() - 1
        });
        &mut self.literals[index].1
    }

    fn find(&self, path: &str) -> Option<&Endpoint> {
        let mut segments = Pieces::<b'/'>::of(path);
        let (segment, rest) = (segments.next().unwrap_or_default(), segments.rest());
        let named = self
            .literals
            .iter()
            .find(|(name, _)| name == segment)
            .map(|(_, node)| node);
        let parameter = self.parameter.as_deref().filter(|_| !segment.is_empty());
        named
            .into_iter()
            .chain(parameter)
            .find_map(|node| match rest {
                Some(rest) => node.find(rest),
                None => node.endpoint.as_ref(),
            })
    }

    fn collect_methods<'a>(&'a self, methods: &mut Vec<&'a str>) {
        methods.extend(self.endpoint.iter().flat_map(Endpoint::methods));
        let literals = self.literals.iter().map(|(_, node)| node);
        literals
            .chain(self.parameter.as_deref())
            .for_each(|node| node.collect_methods(methods));
    }
}

impl Endpoint {
    /// Whether the path has this method.
    pub(crate) fn has(&self, method: &Method) -> bool {
        self.operation(method).is_some()
    }

    /// The value of `Allow`.
    pub(crate) fn allow(&self) -> HeaderValue {
        self.allow.clone()
    }

    fn methods(&self) -> Vec<&str> {
        self.operations
            .iter()
            .map(|operation| operation.method.as_str())
            .collect()
    }

    fn operation(&self, method: &Method) -> Option<&Operation> {
        self.operations
            .iter()
            .find(|operation| operation.method == method)
    }

    fn add(&mut self, operation: Operation) {
        self.operations.push(operation);
        self.allow = allow(self.methods());
    }
}

impl Operation {
    /// Hands a request to the handler. Refuses a parameter that the operation does not take.
    fn call(&self, request: Request) -> Answer<'_> {
        match self
            .declared
            .as_ref()
            .map_or(Ok(()), |declared| declared.check(&request))
        {
            Ok(()) => DynEndpoint::call(&*self.handler, request),
            Err(problem) => Box::pin(ready(Err(problem.into()))),
        }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            operations: Vec::new(),
            allow: HeaderValue::from_static(""),
            caching: NO_STORE,
            parameters: Arc::default(),
        }
    }
}

/// Hands a request to the endpoint of its path. `HEAD` is `GET` without the body.
pub(crate) fn call(endpoint: Option<&Endpoint>, mut request: Request) -> Answer<'_> {
    let Some(endpoint) = endpoint else {
        return Box::pin(ready(Err(NotFoundError.into())));
    };
    if let Some(operation) = endpoint.operation(request.method()) {
        return operation.call(request);
    }
    let get = endpoint
        .operation(&Method::GET)
        .filter(|_| request.method() == Method::HEAD);
    let Some(get) = get else {
        return Box::pin(ready(Err(MethodNotAllowedError.into())));
    };
    request.set_method(Method::GET);
    let answer = get.call(request);
    Box::pin(async {
        let mut response = answer.await?;
        response.set_body(());
        Ok(response)
    })
}

fn allow(mut methods: Vec<&str>) -> HeaderValue {
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
#[expect(clippy::unused_async, reason = "operations are async functions")]
mod tests;
