//! What the pages for people may load and do (Content Security Policy, level 3).
//!
//! A page runs only the scripts that it was written with: the policy names each by its hash. So the
//! browser does not run a script that gets into a page by mistake.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use poem::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::http::public_url::PublicUrl;

/// The part of the policy that every page has. It forbids everything that the rest does not allow.
/// No other page may show the page in a frame.
const ALWAYS: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A browser that follows a link on the page does not tell the other site where it came from.
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// The policy of a page without scripts.
pub(crate) fn still(page: &str) -> HeaderValue {
    value(format!("{ALWAYS}; style-src{}", hashes(page, "style")))
}

/// The policy of the API explorer. The explorer sends requests to this service, and its elements
/// have inline styles, which no hash can name.
pub(crate) fn explorer(page: &str, public_url: Option<&PublicUrl>) -> HeaderValue {
    let public = public_url.map_or_else(String::new, |url| format!(" {}", url.origin()));
    let scripts = hashes(page, "script");
    value(format!(
        "{ALWAYS}; script-src{scripts}; style-src 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'{public}"
    ))
}

/// Adds the policy and the other protecting headers of a page to an answer.
pub(crate) fn protect(headers: &mut HeaderMap, policy: HeaderValue) {
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
}

/// The hashes of all elements with this name, as a policy lists them.
fn hashes(page: &str, name: &str) -> String {
    let (begin, end) = (format!("<{name}"), format!("</{name}"));
    let (mut hashes, mut rest) = (String::new(), page);
    while let Some((_, element)) = rest.split_once(begin.as_str()) {
        let Some((_, content)) = element.split_once('>') else {
            break;
        };
        let Some((content, after)) = content.split_once(end.as_str()) else {
            break;
        };
        let hash = BASE64_STANDARD.encode(Sha256::digest(content));
        // Writing to a String cannot fail.
        let _ = write!(hashes, " 'sha256-{hash}'");
        rest = after;
    }
    hashes
}

/// The policy as a header. If it cannot be written, the page is allowed nothing.
fn value(policy: String) -> HeaderValue {
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static(ALWAYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_each_script_and_style_by_its_hash() {
        let page = "<style type=\"text/css\">a</style><script>abc</script><script x>abc</script>";
        // FIPS 180-2, appendix B.1.
        let abc = "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='";
        let url = "https://shop.example/payments".parse().unwrap();
        let policy = explorer(page, Some(&url));
        let policy = policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            policy.contains(&format!("; script-src {abc} {abc}; ")),
            "{policy}"
        );
        assert!(
            policy.ends_with("; connect-src 'self' https://shop.example"),
            "{policy}"
        );
        let policy = still("<style>abc</style><p>");
        assert!(
            policy
                .to_str()
                .unwrap()
                .ends_with(&format!("; style-src {abc}")),
            "{policy:?}"
        );
    }
}
