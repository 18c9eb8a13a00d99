//! The URL under which clients see the API. It may be that of a proxy, with a path of its own.
//!
//! Handlers write paths as this process has them. If there is a public URL, it is put before each
//! path in an answer. Otherwise the client of a proxy would look for the path in the wrong place.

use std::fmt;
use std::str::FromStr;

use poem::http::header::{LINK, LOCATION};
use poem::http::{HeaderMap, HeaderValue};
use reqwest::Url;

use crate::base::config::Explain;

/// The URL under which clients see `/`, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// The text is not a public URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a URL such as https://shop.example/payments, without user, query and fragment")]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of the URL, as browsers write it.
    pub(crate) fn origin(&self) -> &str {
        let start = self.0.find("://").map_or(0, |colon| colon + "://".len());
        self.0[start..]
            .find('/')
            .map_or(self.as_str(), |slash| &self.0[..start + slash])
    }

    /// Puts the public URL before the paths in `Location` and `Link` of an answer.
    pub(crate) fn complete(&self, headers: &mut HeaderMap) {
        for (name, opening) in [(LOCATION, ""), (LINK, "<")] {
            let path = headers
                .get(&name)
                .and_then(|value| value.to_str().ok()?.strip_prefix(opening));
            let path = path.filter(|path| path.starts_with('/') && !path.starts_with("//"));
            let value = path.map(|path| HeaderValue::from_str(&format!("{opening}{self}{path}")));
            if let Some(Ok(value)) = value {
                headers.insert(name, value);
            }
        }
    }
}

impl Explain for InvalidPublicUrl {
    fn explain(self) -> Option<String> {
        Some(self.to_string())
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPublicUrl)?;
        let bare = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let text = url.as_str().trim_end_matches('/');
        if bare {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPublicUrl)
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_may_have_a_path_and_nothing_behind_it() {
        for (text, shown) in [
            ("https://shop.example", "https://shop.example"),
            (
                "https://shop.example/payments/",
                "https://shop.example/payments",
            ),
            ("HTTP://Shop.example:80/a b", "http://shop.example/a%20b"),
            ("http://[::1]:8080/v1/x", "http://[::1]:8080/v1/x"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "/payments",
            "shop.example",
            "ftp://shop.example",
            "https://u:p@shop.example",
            "https://shop.example/?a",
            "https://shop.example/#a",
            "https://",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl), "{text}");
        }
    }

    #[test]
    fn a_public_url_has_an_origin() {
        for (text, origin) in [
            ("https://Shop.example", "https://shop.example"),
            ("https://shop.example:443/a/b", "https://shop.example"),
            ("http://shop.example:81/a/b", "http://shop.example:81"),
            ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().origin(), origin);
        }
    }

    #[test]
    fn only_paths_are_completed() {
        let url: PublicUrl = "https://shop.example/p".parse().unwrap();
        for (name, given, told) in [
            (LOCATION, "/orders/7", "https://shop.example/p/orders/7"),
            (LOCATION, "https://other.example/", "https://other.example/"),
            (LOCATION, "//other.example/", "//other.example/"),
            (
                LINK,
                "</orders?cursor=c>; rel=\"next\"",
                "<https://shop.example/p/orders?cursor=c>; rel=\"next\"",
            ),
        ] {
            let mut headers =
                HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(given))]);
            url.complete(&mut headers);
            assert_eq!(headers[name], told);
        }
    }
}
