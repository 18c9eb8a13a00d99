//! Checks the form of a message before its meaning (RFC 9112).

use hyper::Request;
use poem::http::{HeaderMap, Method, Uri, Version, header};

use crate::http::problem::{MALFORMED_REQUEST, Problem, UNKNOWN_TRANSFER_CODING};

/// Refuses a request that a proxy in front of this server may have read differently.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    check_target(request.method(), request.uri())?;
    check_host(request.version(), request.headers())?;
    check_coding(request.headers())
}

fn check_target(method: &Method, target: &Uri) -> Result<(), Problem> {
    let path = target.path();
    if path.starts_with('/') || (path == "*" && method == Method::OPTIONS) {
        return Ok(());
    }
    Err(malformed(
        "the target must be a path that begins with /, and * only for OPTIONS",
    ))
}

/// A message without `Host` is HTTP/1.0. With two `Host` headers, one server may take the first and
/// another the second (RFC 9112, 3.2).
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => {
            Err(malformed("Host: must be given in HTTP/1.1"))
        }
        (Some(_), Some(_)) => Err(malformed("Host: must be given once")),
        (Some(host), None) if !is_host(host.as_bytes()) => Err(malformed(
            "Host: must be a name or an address, with or without a port",
        )),
        _ => Ok(()),
    }
}

/// `uri-host [ ":" port ]` (RFC 9110, 7.2). The host is empty if the target has no host.
fn is_host(value: &[u8]) -> bool {
    let (name, port) = match value.iter().rposition(|&byte| byte == b':' || byte == b']') {
        Some(colon) if value[colon] == b':' => (&value[..colon], &value[colon + 1..]),
        _ => (value, &b""[..]),
    };
    let address = name
        .strip_prefix(b"[")
        .and_then(|name| name.strip_suffix(b"]"));
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    let is_address = |byte: &u8| *byte == b':' || is_name(byte);
    port.iter().all(u8::is_ascii_digit)
        && address.map_or(name.iter().all(is_name), |address| {
            address.iter().all(is_address)
        })
}

/// The HTTP library accepts every list of codings that ends in `chunked`, and undoes only that one.
/// A body that is also compressed would reach the handlers compressed.
fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    let is_plain = coding
        .as_bytes()
        .trim_ascii()
        .eq_ignore_ascii_case(b"chunked");
    if is_plain && codings.next().is_none() {
        return Ok(());
    }
    let detail = "Transfer-Encoding: only chunked is understood, once";
    Err(Problem::new(&UNKNOWN_TRANSFER_CODING, detail))
}

fn malformed(detail: &str) -> Problem {
    Problem::new(&MALFORMED_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_may_have_a_port() {
        for host in [
            "",
            "x",
            "shop.example",
            "shop.example:",
            "shop.example:8000",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8000",
            "[fe80::1%25eth0]",
            "a_b",
            "xn--bcher-kva.example",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b", "a/b", "user@a", "http://a", "a:b", "a:80:80", "::1", "a?b", "a#b", "[::1",
            "::1]", "[::1]x", "a,b c", "\"a\"", "a\\b", "<a>", "é",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
