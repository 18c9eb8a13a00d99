//! Checks under which name a client calls the service, and which page makes a change.
//!
//! A page in a browser may send requests to any address that the browser reaches, such as a
//! developer's own machine. Two headers reveal the page, because the page cannot choose them.
//! `Host` is the name in the URL. If a page makes its own name resolve to this machine (DNS
//! rebinding), `Host` is that name. `Origin` is the origin of the page.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use poem::http::uri::Authority;
use poem::http::{HeaderName, HeaderValue, header};

use crate::http::cors::Origins;
use crate::http::problem::{FORBIDDEN_ORIGIN, MISDIRECTED_REQUEST, Problem, quoted};
use crate::http::public_url::PublicUrl;

/// The names of a service, as its operator sets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHosts {
    /// Every name.
    Any,
    /// These names, beside the names that are always allowed.
    Listed(Vec<String>),
}

/// Checks the name that a request is addressed to, and the page that sent it.
#[derive(Debug)]
pub struct Hosts {
    allowed: AllowedHosts,
    origins: Origins,
    public_url: Option<PublicUrl>,
}

/// Says in one word how the page and the service are related: `same-origin`, `same-site`,
/// `cross-site` or `none`.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Names that end in this label belong to the machine itself (RFC 6761, 6.3).
const LOCALHOST: &str = "localhost";

impl Hosts {
    /// Allows the names in `allowed` and in `public_url`, and changes from pages of `origins`.
    pub fn new(allowed: AllowedHosts, origins: Origins, public_url: Option<PublicUrl>) -> Self {
        Self {
            allowed,
            origins,
            public_url,
        }
    }

    /// Refuses a request to a name that the service does not have, and a change from a page of
    /// another origin.
    pub fn check<B>(&self, request: &hyper::Request<B>, local: SocketAddr) -> Result<(), Problem> {
        let authority = authority(request);
        self.check_name(name(authority), local)?;
        if request.method().is_safe() {
            Ok(())
        } else {
            self.check_origin(request, authority)
        }
    }

    fn check_name(&self, name: &str, local: SocketAddr) -> Result<(), Problem> {
        let listed = match &self.allowed {
            AllowedHosts::Any => return Ok(()),
            // On an address that other machines reach, only the operator knows the names of the
            // service.
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
            "Host: {} is not a name of this service; call it by localhost or by its address, or have \
             its operator add the name to ALLOWED_HOSTS",
            quoted(name)
        );
        Err(Problem::new(&MISDIRECTED_REQUEST, detail))
    }

    /// Refuses a change that a page of another origin makes its browser send. A client that is not
    /// a browser sends neither `Origin` nor `Sec-Fetch-Site`, and is not refused.
    fn check_origin<B>(&self, request: &hyper::Request<B>, authority: &str) -> Result<(), Problem> {
        let site = request
            .headers()
            .get(SEC_FETCH_SITE)
            .map_or(&b""[..], HeaderValue::as_bytes);
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

    /// Whether an origin is that of this service. It has to be the origin of the public URL, or
    /// have the name that the request is addressed to.
    fn is_own(&self, origin: &HeaderValue, authority: &str) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let Some((scheme, own)) = origin.split_once("://") else {
            return false;
        };
        let port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return false,
        };
        let authority = authority.strip_suffix(port).unwrap_or(authority);
        own.eq_ignore_ascii_case(authority)
            || self
                .public_url
                .as_ref()
                .is_some_and(|url| url.origin() == origin)
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

/// Reads a name as it stands in `Host`, without a port.
fn parse_name(text: &str) -> Result<String, String> {
    let whole = text.strip_suffix('.').unwrap_or(text);
    let address = whole.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<IpAddr>().is_ok() || is_host_name(whole) {
        return Ok(whole.to_ascii_lowercase());
    }
    Err(format!(
        "{}: expected a name such as shop.example, without scheme, port and *",
        quoted(text)
    ))
}

/// Whether the text is labels between dots, and the last label is not a number (RFC 1123, 2.1). An
/// underscore is allowed as well, because names inside a container cluster have them.
fn is_host_name(text: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(may_stand)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_label) && !text.rsplit('.').next().is_none_or(is_number)
}

/// The name and port that a request is addressed to. Those in the target go before `Host` (RFC
/// 9112, 3.2.2).
fn authority<B>(request: &hyper::Request<B>) -> &str {
    let target = request.uri().authority().map(Authority::as_str);
    let host = || request.headers().get(header::HOST)?.to_str().ok();
    target.or_else(host).unwrap_or_default()
}

/// The name without the port, and without the dot at the end of a fully qualified name.
fn name(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, _)) if !authority.ends_with(']') => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// The host of a public URL.
fn host_of(url: &PublicUrl) -> &str {
    name(
        url.origin()
            .split_once("://")
            .map_or("", |(_, authority)| authority),
    )
}

/// Whether the name is an address. An address cannot be made to resolve elsewhere, so it is always
/// allowed.
fn is_address(name: &str) -> bool {
    name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok()
}

fn is_local(name: &str) -> bool {
    let Some(start) = name.len().checked_sub(LOCALHOST.len()) else {
        return false;
    };
    let (before, end) = name.as_bytes().split_at(start);
    end.eq_ignore_ascii_case(LOCALHOST.as_bytes()) && (before.is_empty() || before.ends_with(b"."))
}

#[cfg(test)]
mod tests;
