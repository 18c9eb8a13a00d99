//! Which pages of other origins may call the API from a browser (the CORS protocol of the Fetch
//! standard).
//!
//! The service never refuses a read for its origin: the browser withholds the answer from a page
//! that is not allowed. [`crate::http::hosts`] refuses changes. The headers never allow
//! credentials, because the API takes none.

use std::str::FromStr;

use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::Url;

/// The origins whose pages may call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    Any,
    /// These origins. An empty list turns CORS off.
    Listed(Vec<HeaderValue>),
}

/// What a request says about the page behind it, and what the answer has to allow.
#[derive(Debug)]
pub struct CrossOrigin {
    allowed: Option<HeaderValue>,
    preflight: bool,
    /// The headers that a preflight asks for.
    wanted: Option<HeaderValue>,
    varies: bool,
}

/// The headers of an answer that a page may read, in every service.
const EXPOSED: [&str; 10] = [
    "Allow",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Traceparent",
    "X-Request-Id",
];
/// Most bytes of the header names that a preflight may ask for.
const MAX_WANTED_BYTES: usize = 1_024;
/// Seconds for which a browser may remember a preflight.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

impl Origins {
    /// Whether pages of this origin may call the API.
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }

    /// Reads what a request says about the page behind it.
    pub fn of<B>(&self, request: &hyper::Request<B>) -> CrossOrigin {
        let origin = request.headers().get(header::ORIGIN);
        let allowed = origin
            .filter(|origin| self.allow(origin))
            .map(|origin| match self {
                Self::Any => HeaderValue::from_static("*"),
                Self::Listed(_) => origin.clone(),
            });
        let preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let wanted = request
            .headers()
            .get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let wanted = wanted
            .filter(|names| preflight && are_names(names))
            .cloned();
        let varies = matches!(self, Self::Listed(origins) if !origins.is_empty());
        CrossOrigin {
            allowed,
            preflight,
            wanted,
            varies,
        }
    }
}

impl CrossOrigin {
    /// Adds the CORS headers to an answer. `Allow` lists the methods that the page may use, and
    /// `exposed` the headers that the page may read.
    pub fn finish(self, headers: &mut HeaderMap, exposed: &HeaderValue) {
        if self.varies {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = self.allowed else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !self.preflight {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        } else if let Some(methods) = headers.get(header::ALLOW).cloned() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            // Repeats each header that the preflight names, because `*` does not cover
            // `Authorization`.
            headers.extend(
                self.wanted
                    .map(|names| (header::ACCESS_CONTROL_ALLOW_HEADERS, names)),
            );
            let vary = HeaderValue::from_static("Access-Control-Request-Headers");
            headers.append(header::VARY, vary);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
        }
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "*" => Ok(Self::Any),
            "" => Ok(Self::Listed(Vec::new())),
            _ => text
                .split(',')
                .map(|origin| parse_origin(origin.trim()))
                .collect(),
        }
    }
}

impl FromIterator<HeaderValue> for Origins {
    fn from_iter<I: IntoIterator<Item = HeaderValue>>(origins: I) -> Self {
        Self::Listed(origins.into_iter().collect())
    }
}

/// The value of `Access-Control-Expose-Headers`: the headers of every service, and `more` of this
/// one.
pub(crate) fn exposed(more: &[&'static str]) -> HeaderValue {
    let mut names: Vec<&str> = EXPOSED.iter().chain(more).copied().collect();
    names.sort_unstable();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// Whether these are names of headers, separated by commas.
fn are_names(names: &HeaderValue) -> bool {
    let names = names.as_bytes();
    let is_name = |name: &[u8]| HeaderName::from_bytes(name.trim_ascii()).is_ok();
    names.len() <= MAX_WANTED_BYTES && names.split(|byte| *byte == b',').all(is_name)
}

/// Reads an origin that is written exactly as a browser writes it. Anything else, such as a
/// pattern, would never match.
fn parse_origin(text: &str) -> Result<HeaderValue, String> {
    let exact = |url: &Url| url.origin().ascii_serialization() == text && !text.contains('*');
    let url = Url::parse(text).ok().filter(exact);
    let origin = url.and_then(|_| HeaderValue::from_str(text).ok());
    origin.ok_or_else(|| {
        format!("{text:?}: expected an origin such as https://shop.example:8443, without a path")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_headers_are_told_back() {
        for (text, expected) in [
            ("authorization", true),
            ("content-type,if-match, X-Tenant", true),
            ("", false),
            ("a,,b", false),
            ("a b", false),
            ("a: b", false),
            (&"x".repeat(MAX_WANTED_BYTES), true),
            (&"x".repeat(MAX_WANTED_BYTES + 1), false),
        ] {
            assert_eq!(
                are_names(&HeaderValue::from_str(text).unwrap()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn origins_are_listed_as_browsers_write_them() {
        for text in [
            "",
            "*",
            "http://localhost:3000",
            "https://a.example, http://[::1]:8080",
        ] {
            assert!(text.parse::<Origins>().is_ok(), "{text}");
        }
        for text in [
            "localhost:3000",
            "null",
            "https://a.example/",
            "https://a.example:443",
            "https://A.example",
            "https://a.example,,http://b.example",
            "https://a.example *",
            "http://*.example",
            "data:text/plain,",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
    }
}
