//! Requests in the form of the wire, which are built once and sent often.

use std::io::Write;

/// The number of digits of a request's number in its key, and of the run's number before it.
const DIGITS: usize = 16;
/// The header whose value differs in every request.
const KEY_HEADER: &str = "idempotency-key: ";

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    key: Option<Key>,
}

/// A value that differs each time and always has the same length.
#[derive(Clone, Debug)]
struct Key {
    at: usize,
    run: u64,
}

impl Request {
    /// A `GET` of `path`.
    pub fn get(path: &str) -> Self {
        Self::plain("GET", path, None)
    }

    /// A `POST` of `body` as JSON, each time with another idempotency key.
    pub fn post(path: &str, body: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n{KEY_HEADER}",
            body.len()
        );
        let key = Key {
            at: head.len(),
            run: fastrand::u64(..),
        };
        let bytes = format!("{head}{}\r\n\r\n{body}", key.value(0)).into_bytes();
        Self {
            bytes,
            key: Some(key),
        }
    }

    /// A request of any method, without an idempotency key. A body is JSON.
    pub fn plain(method: &str, path: &str, body: Option<&str>) -> Self {
        let body = body.map_or("\r\n".to_owned(), |body| {
            let length = body.len();
            format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        });
        let bytes = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{body}").into_bytes();
        Self { bytes, key: None }
    }

    /// The idempotency key of the request with this number, if it has a key.
    pub fn key(&self, number: u64) -> Option<String> {
        self.key.as_ref().map(|key| key.value(number))
    }

    /// Replaces the content of `buffer` by the request with this number.
    pub(super) fn write(&self, number: u64, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(&self.bytes);
        if let Some(key) = &self.key {
            let at = key.at + DIGITS;
            if let Some(mut place) = buffer.get_mut(at..at + DIGITS) {
                // The place has exactly the length of the text, so the write cannot fail.
                let _ = write!(place, "{number:016x}");
            }
        }
    }
}

impl Key {
    fn value(&self, number: u64) -> String {
        format!("{:016x}{number:016x}", self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_post_has_a_key_of_its_own_and_is_whole() {
        let request = Request::post("/orders", "{\"a\":1}");
        let (mut first, mut second) = (Vec::new(), vec![1, 2, 3]);
        request.write(1, &mut first);
        request.write(0xabc, &mut second);
        assert_eq!(first.len(), second.len());
        assert_ne!(first, second);
        let text = String::from_utf8(second).unwrap();
        assert!(text.contains(&format!(
            "\r\n{KEY_HEADER}{}\r\n",
            request.key(0xabc).unwrap()
        )));
        assert!(text.ends_with("\r\n\r\n{\"a\":1}") && text.contains("content-length: 7\r\n"));
        assert_ne!(request.key(1), Request::post("/orders", "").key(1));
    }
}
