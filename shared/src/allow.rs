//! Which methods a path has: the `Allow` header of a 405.

use poem::http::{HeaderValue, Method};
use serde_json::Value;

/// The methods of every path, as the OpenAPI document lists them.
#[derive(Clone, Debug, Default)]
pub struct AllowedMethods(Vec<(Vec<Segment>, String)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter,
}

/// What pages and probes allow, which no document lists.
const PAGE_METHODS: &str = "GET, HEAD";

impl AllowedMethods {
    /// Reads an OpenAPI document.
    pub fn from_spec(spec: &str) -> Self {
        let spec: Value = serde_json::from_str(spec).unwrap_or_default();
        let paths = spec["paths"].as_object().into_iter().flatten();
        Self(paths.map(|(path, operations)| (segments(path), methods(operations))).collect())
    }

    /// Whether a path has this method.
    pub fn has(&self, path: &str, method: &Method) -> bool {
        let methods = self.of(path);
        methods.to_str().is_ok_and(|methods| methods.split(", ").any(|name| name == method))
    }

    /// The value of `Allow` for a path. Of several patterns, the router takes the one that says the
    /// most about the path.
    pub fn of(&self, path: &str) -> HeaderValue {
        let asked: Vec<&str> = path.split('/').collect();
        let fitting = self.0.iter().filter(|(pattern, _)| matches(pattern, &asked));
        let found = fitting.max_by_key(|(pattern, _)| literals(pattern));
        let methods = found.map_or(PAGE_METHODS, |(_, methods)| methods.as_str());
        HeaderValue::from_str(methods).unwrap_or(HeaderValue::from_static(PAGE_METHODS))
    }
}

fn segments(path: &str) -> Vec<Segment> {
    let segment = |text: &str| {
        if text.starts_with('{') { Segment::Parameter } else { Segment::Literal(text.to_owned()) }
    };
    path.split('/').map(segment).collect()
}

fn methods(operations: &Value) -> String {
    let mut methods: Vec<String> =
        operations.as_object().into_iter().flatten().map(|(name, _)| name.to_uppercase()).collect();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    methods.sort();
    methods.join(", ")
}

fn literals(pattern: &[Segment]) -> usize {
    pattern.iter().filter(|segment| **segment != Segment::Parameter).count()
}

fn matches(pattern: &[Segment], asked: &[&str]) -> bool {
    pattern.len() == asked.len()
        && pattern.iter().zip(asked).all(|(segment, text)| match segment {
            Segment::Literal(literal) => literal == text,
            Segment::Parameter => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_allows_what_its_document_lists() {
        let spec =
            r#"{"paths":{"/orders":{"get":{},"post":{}},"/orders/{id}/cancel":{"post":{}}}}"#;
        let allowed = AllowedMethods::from_spec(spec);
        assert_eq!(allowed.of("/orders"), "GET, HEAD, POST");
        assert_eq!(allowed.of("/orders/7/cancel"), "POST");
        assert_eq!(allowed.of("/docs"), "GET, HEAD");
    }

    #[test]
    fn a_path_with_a_pattern_of_its_own_allows_what_that_does() {
        let (named, one) = (r#""/orders/stream":{"get":{}}"#, r#""/orders/{id}":{"delete":{}}"#);
        for paths in [format!("{named},{one}"), format!("{one},{named}")] {
            let allowed = AllowedMethods::from_spec(&format!(r#"{{"paths":{{{paths}}}}}"#));
            assert_eq!(allowed.of("/orders/stream"), "GET, HEAD", "{paths}");
            assert_eq!(allowed.of("/orders/7"), "DELETE", "{paths}");
        }
    }
}
