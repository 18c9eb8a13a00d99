//! Under which names the service may be called, and from which pages it may be changed.
//!
//! A page in a browser may send requests to any address that the browser reaches, a developer's own
//! machine included. It cannot choose two headers. `Host` is the name that the browser was given: where
//! a page has its own name resolve to this machine (DNS rebinding), it is that name. `Origin` says which
//! page asks.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use poem::http::uri::Authority;
use poem::http::{HeaderName, HeaderValue, header};

use crate::cors::Origins;
use crate::problem::{FORBIDDEN_ORIGIN, MISDIRECTED_REQUEST, Problem, quoted};
use crate::public_url::PublicUrl;
use crate::settings::HttpSettings;

/// Names that a service is told it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHosts {
    /// Every name.
    Any,
    /// These, beside those that are always allowed.
    Listed(Vec<String>),
}

/// Checks to whom a request is addressed, and who sends it.
#[derive(Debug)]
pub struct Hosts {
    allowed: AllowedHosts,
    origins: Origins,
    public_url: Option<PublicUrl>,
}

/// Which page asks, as far as a browser tells it in one word.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Names of the machine itself end so (RFC 6761, 6.3).
const LOCALHOST: &str = "localhost";

impl Hosts {
    /// As the settings have it.
    pub fn new(settings: &HttpSettings) -> Self {
        Self {
            allowed: settings.allowed_hosts.clone(),
            origins: settings.cors_origins.clone(),
            public_url: settings.public_url.clone(),
        }
    }

    /// Refuses a request that is meant for another name, and a change from a page of another origin.
    pub fn check<B>(&self, request: &hyper::Request<B>, local: SocketAddr) -> Result<(), Problem> {
        let authority = authority(request);
        self.check_name(name(authority), local)?;
        if request.method().is_safe() { Ok(()) } else { self.check_origin(request, authority) }
    }

    fn check_name(&self, name: &str, local: SocketAddr) -> Result<(), Problem> {
        let listed = match &self.allowed {
            AllowedHosts::Any => return Ok(()),
            // Where others reach the service, nobody but its operator knows by which names.
            AllowedHosts::Listed(names) if names.is_empty() && !local.ip().is_loopback() => {
                return Ok(());
            }
            AllowedHosts::Listed(names) => names,
        };
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        if name.is_empty()
            || is_address(name)
            || is_local(name)
            || listed.iter().any(|listed| is(listed))
            || self.public_url.as_ref().is_some_and(|url| is(host_of(url)))
        {
            return Ok(());
        }
        let detail = format!(
            "Host: {} is no name of this service; call it by localhost or by its address, or have its \
             operator add the name to ALLOWED_HOSTS",
            quoted(name)
        );
        Err(Problem::new(&MISDIRECTED_REQUEST, detail))
    }

    /// Refuses what a page of another origin has its browser send. A client that is no browser sends
    /// neither header.
    fn check_origin<B>(&self, request: &hyper::Request<B>, authority: &str) -> Result<(), Problem> {
        let site = request.headers().get(SEC_FETCH_SITE).map_or(&b""[..], HeaderValue::as_bytes);
        let mut origins = request.headers().get_all(header::ORIGIN).iter().peekable();
        let (origin, allowed) = if origins.peek().is_none() {
            (None, !matches!(site, b"cross-site" | b"same-site"))
        } else {
            let allows = |origin: &&HeaderValue| {
                self.origins.allow(origin)
                    || self.is_own(origin, authority)
                    || site == b"same-origin"
            };
            let refused = origins.find(|origin| !allows(origin));
            (refused, refused.is_none())
        };
        if allowed {
            return Ok(());
        }
        let origin = origin.map_or("another origin".into(), |origin| {
            quoted(&String::from_utf8_lossy(origin.as_bytes()))
        });
        let detail = format!(
            "a page of {origin} may not change anything here; have the operator of this service add \
             its origin to CORS_ORIGINS"
        );
        Err(Problem::new(&FORBIDDEN_ORIGIN, detail))
    }

    /// Whether a page is one of this service: it has the name that the request is addressed to, or
    /// that of the public URL.
    fn is_own(&self, origin: &HeaderValue, authority: &str) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let Some((scheme, own)) = origin.split_once("://") else { return false };
        let port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return false,
        };
        let authority = authority.strip_suffix(port).unwrap_or(authority);
        own.eq_ignore_ascii_case(authority)
            || self.public_url.as_ref().is_some_and(|url| url.origin() == origin)
    }
}

impl FromStr for AllowedHosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "*" => Ok(Self::Any),
            "" => Ok(Self::Listed(Vec::new())),
            _ => text
                .split(',')
                .map(|name| parse_name(name.trim()))
                .collect::<Result<_, _>>()
                .map(Self::Listed),
        }
    }
}

/// A name as it stands in front of the port.
fn parse_name(text: &str) -> Result<String, String> {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !text.trim_end_matches('.').is_empty() && text.bytes().all(may_stand) {
        return Ok(text.trim_end_matches('.').to_ascii_lowercase());
    }
    Err(format!(
        "{}: expected a name such as shop.example, without scheme, port and *",
        quoted(text)
    ))
}

/// To whom a request is addressed. A target with a name goes before `Host` (RFC 9112, 3.2.2).
fn authority<B>(request: &hyper::Request<B>) -> &str {
    let target = request.uri().authority().map(Authority::as_str);
    let host = || request.headers().get(header::HOST)?.to_str().ok();
    target.or_else(host).unwrap_or_default()
}

/// The name without port, and without the dot that says that it is whole.
fn name(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, _)) if !authority.ends_with(']') => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// The host of a public URL.
fn host_of(url: &PublicUrl) -> &str {
    name(url.origin().split_once("://").map_or("", |(_, authority)| authority))
}

/// Whether it is an address. No page has one that is not its own machine's.
fn is_address(name: &str) -> bool {
    name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok()
}

fn is_local(name: &str) -> bool {
    let Some(start) = name.len().checked_sub(LOCALHOST.len()) else { return false };
    let (before, end) = name.as_bytes().split_at(start);
    end.eq_ignore_ascii_case(LOCALHOST.as_bytes()) && (before.is_empty() || before.ends_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:8000";

    fn hosts(allowed: &str, origins: &str, url: Option<&str>) -> Hosts {
        Hosts {
            allowed: allowed.parse().unwrap(),
            origins: origins.parse().unwrap(),
            public_url: url.map(|url| url.parse().unwrap()),
        }
    }

    fn status(hosts: &Hosts, local: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        let request = hyper::Request::builder().method("POST").uri(target);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let checked = hosts.check(&request.body(()).unwrap(), local.parse().unwrap());
        checked.map_or_else(|problem| problem.kind().status.as_u16(), |()| 200)
    }

    #[test]
    fn on_the_machine_itself_it_has_the_names_of_the_machine_and_those_that_are_listed() {
        let hosts = hosts("shop.internal", "", Some("https://Shop.example/payments"));
        for (host, expected) in [
            ("localhost", 200),
            ("LocalHost.:8000", 200),
            ("api.localhost:80", 200),
            ("127.0.0.1:8000", 200),
            ("127.8.9.1", 200),
            ("[::1]:8000", 200),
            ("192.0.2.7", 200),
            ("", 200),
            ("shop.example", 200),
            ("shop.EXAMPLE.:443", 200),
            ("Shop.Internal:1", 200),
            ("evil.example", 421),
            ("evil.example:8000", 421),
            ("notlocalhost", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("2130706433", 421),
            ("shop.internal.evil.example", 421),
            ("x", 421),
        ] {
            assert_eq!(status(&hosts, LOCAL, "/", &[("host", host)]), expected, "{host}");
            assert_eq!(status(&hosts, "0.0.0.0:1", "/", &[("host", host)]), expected, "{host}");
            if !host.is_empty() {
                // The target counts, and Host does not.
                let target = format!("http://{host}/");
                let told = status(&hosts, LOCAL, &target, &[("host", "localhost")]);
                assert_eq!(told, expected, "{target}");
            }
        }
        assert_eq!(status(&hosts, LOCAL, "/", &[]), 200, "HTTP/1.0");
    }

    #[test]
    fn where_others_reach_it_the_list_counts_once_there_is_one() {
        let evil = &[("host", "evil.example")];
        for (allowed, local, expected) in [
            ("", LOCAL, 421),
            ("", "[::1]:8000", 421),
            ("", "0.0.0.0:8000", 200),
            ("", "[::]:8000", 200),
            ("", "192.0.2.1:8000", 200),
            ("shop.example", "0.0.0.0:8000", 421),
            ("shop.example, evil.example.", LOCAL, 200),
            ("*", LOCAL, 200),
        ] {
            assert_eq!(
                status(&hosts(allowed, "", None), local, "/", evil),
                expected,
                "{allowed} {local}"
            );
        }
        for text in ["a b", "http://a", "a:80", "*.a", "a,,b", "a/b", "."] {
            assert!(text.parse::<AllowedHosts>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_change_comes_from_an_own_page_or_a_listed_one_or_from_no_page() {
        let hosts = hosts("*", "https://shop.example", Some("https://api.example:8443/payments"));
        for (host, origin, site, expected) in [
            (LOCAL, None, None, 200),
            (LOCAL, None, Some("none"), 200),
            (LOCAL, None, Some("same-origin"), 200),
            (LOCAL, None, Some("same-site"), 403),
            (LOCAL, None, Some("cross-site"), 403),
            (LOCAL, Some("http://127.0.0.1:8000"), None, 200),
            ("LOCALHOST:8000", Some("http://localhost:8000"), Some("same-origin"), 200),
            ("localhost", Some("http://localhost"), None, 200),
            ("localhost:80", Some("http://localhost"), None, 200),
            ("a.example:443", Some("https://a.example"), None, 200),
            (LOCAL, Some("http://localhost:8000"), Some("cross-site"), 403),
            (LOCAL, Some("http://127.0.0.1:3000"), Some("same-site"), 403),
            (LOCAL, Some("https://shop.example"), Some("cross-site"), 200),
            (LOCAL, Some("https://api.example:8443"), None, 200),
            (LOCAL, Some("https://api.example"), None, 403),
            ("upstream:8000", Some("https://front.example"), Some("same-origin"), 200),
            (LOCAL, Some("http://shop.example"), None, 403),
            (LOCAL, Some("https://evil.example"), None, 403),
            (LOCAL, Some("null"), None, 403),
            (LOCAL, Some(""), None, 403),
            (LOCAL, Some("127.0.0.1:8000"), None, 403),
            (LOCAL, Some("ftp://127.0.0.1:8000"), None, 403),
        ] {
            let mut headers = vec![("host", host)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            assert_eq!(status(&hosts, LOCAL, "/", &headers), expected, "{headers:?}");
        }
        let two = [("host", LOCAL), ("origin", "http://127.0.0.1:8000"), ("origin", "null")];
        assert_eq!(status(&hosts, LOCAL, "/", &two), 403);
        assert_eq!(status(&self::hosts("*", "*", None), LOCAL, "/", &two), 200);
    }
}
