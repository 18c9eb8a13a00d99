//! Serves documents that do not change while the process runs. A document is written and compressed
//! once, and sent without a copy. A client that has the document already gets a 304, by its `ETag`.

use std::io::{self, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use poem::endpoint::make_sync;
use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{Endpoint, IntoResponse, Response};

use crate::base::digest::digest;
use crate::http::conditional;

const GZIP: &str = "gzip";
/// The name of gzip in old clients.
const X_GZIP: &str = "x-gzip";
const IDENTITY: &str = "identity";

/// A document, plain and compressed.
struct Document {
    plain: Representation,
    /// `None` if the document could not be compressed.
    gzip: Option<Representation>,
}

/// One form of a document, and its opaque tag.
struct Representation {
    tag: String,
    body: Bytes,
}

/// The endpoint of a document. The document is written when the first client asks for it, because
/// it is larger than everything else in the memory of an idle process.
pub(super) fn page(
    content_type: &'static str,
    write: impl FnOnce() -> String + Send + 'static,
) -> impl Endpoint + 'static {
    let document = LazyLock::new(move || Document::of(write()));
    make_sync(move |request| {
        let gzip = document
            .gzip
            .as_ref()
            .filter(|_| prefers_gzip(request.headers()));
        let Representation { tag, body } = gzip.unwrap_or(&document.plain);
        let mut builder = Response::builder()
            .header(header::ETAG, format!("\"{tag}\""))
            .header(header::VARY, HeaderValue::from_static("Accept-Encoding"))
            .header(header::CACHE_CONTROL, "no-cache");
        if conditional::has_page(&request, tag) {
            return builder.status(StatusCode::NOT_MODIFIED).finish();
        }
        if gzip.is_some() {
            builder = builder.header(header::CONTENT_ENCODING, HeaderValue::from_static(GZIP));
        }
        builder
            .content_type(content_type)
            .body(body.clone())
            .into_response()
    })
}

impl Document {
    fn of(text: String) -> Self {
        let tag = digest(&text);
        let compressed = compress(text.as_bytes()).ok().map(Bytes::from);
        let gzip = compressed.map(|body| Representation {
            tag: format!("{tag}-{GZIP}"),
            body,
        });
        Self {
            plain: Representation {
                tag,
                body: text.into(),
            },
            gzip,
        }
    }
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Whether a client accepts gzip and does not prefer the plain document (RFC 9110, 12.5.3).
fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for line in headers.get_all(header::ACCEPT_ENCODING) {
        for part in line.to_str().unwrap_or_default().split(',') {
            let (coding, weight) = part.split_once(';').unwrap_or((part, ""));
            let coding = coding.trim();
            let is = |name: &str| coding.eq_ignore_ascii_case(name);
            if is(GZIP) || is(X_GZIP) {
                gzip = Some(quality(weight));
            } else if is(IDENTITY) {
                identity = Some(quality(weight));
            } else if coding == "*" {
                any = Some(quality(weight));
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// The weight of a choice: 1 if none is given, 0 if it cannot be read.
fn quality(parameter: &str) -> f32 {
    let parameter = parameter.trim();
    if parameter.is_empty() {
        return 1.0;
    }
    let value = parameter
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    value
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_sent_what_it_prefers() {
        for (accepted, expected) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("*", true),
            ("identity;q=0.5, gzip", true),
            ("gzip;q=1 , identity; Q=0", true),
            ("", false),
            ("br", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("*, gzip;q=0.000", false),
            ("*;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("gzip;q=much", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!(prefers_gzip(&headers), expected, "{accepted}");
        }
        assert!(
            !prefers_gzip(&HeaderMap::new()),
            "a client that says nothing may know nothing"
        );
    }
}
