//! Gives each path one spelling, so that routes, claims of idempotency keys, limits and logs agree.

use poem::http::Uri;

/// The normal form of this target; `None` if it is normal already. In the normal form, no character
/// is escaped that needs no escape (RFC 3986, 6.2.2.2), and the path does not end in a slash.
///
/// The service answers a path with a slash at its end like the path without it. It sends no
/// redirect, because browsers do not follow the redirect of a preflight.
pub(super) fn normalised(target: &Uri) -> Option<Uri> {
    let path = target.path();
    let has_slash = path.len() > 1 && path.ends_with('/');
    if !has_slash && !path.contains('%') {
        return None;
    }
    let mut normal = unescape(path);
    if has_slash {
        normal.pop();
    }
    if let Some(query) = target.query() {
        normal.push('?');
        normal.push_str(query);
    }
    let mut parts = target.clone().into_parts();
    parts.path_and_query = Some(normal.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Undoes the escapes of characters that need no escape. All other escapes stay: an escaped slash
/// does not separate segments.
fn unescape(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte.filter(|&byte| is_unreserved(byte)) {
            plain.push(byte.into());
            rest = &after[2..];
        } else {
            plain.push('%');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (target, expected) in [
            ("/", None),
            ("/products", None),
            ("/products?q=%70/", None),
            ("*", None),
            ("/products/", Some("/products")),
            ("/products/?q=%70/", Some("/products?q=%70/")),
            ("/products//", Some("/products/")),
            ("//", Some("/")),
            ("/%70roducts", Some("/products")),
            ("/%70%72oducts/%7e%5F%2d%2E/", Some("/products/~_-.")),
            ("/products%2F", Some("/products%2F")),
            ("/products%2fx", Some("/products%2fx")),
            ("/%2570roducts", Some("/%2570roducts")),
            ("/products/%", Some("/products/%")),
            ("/products/%7", Some("/products/%7")),
            ("/products/%+7", Some("/products/%+7")),
            ("/products/%zz%61", Some("/products/%zza")),
            (
                "/products/%00%0d%0a%ff%C3%A9",
                Some("/products/%00%0d%0a%ff%C3%A9"),
            ),
            (
                "http://shop.example:80/%70/?q",
                Some("http://shop.example:80/p?q"),
            ),
        ] {
            let normal = normalised(&target.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(normal.as_deref(), expected, "{target}");
        }
    }
}
