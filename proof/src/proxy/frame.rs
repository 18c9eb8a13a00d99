//! Parses just enough of the two protocols to find the ends of requests and answers.

/// The largest request or answer in bytes. This system sends nothing larger, so more is not kept.
pub const MAX_FRAME: usize = 64 * 1024 * 1024;
/// The largest length of a label. People and traps need no more.
const MAX_LABEL: usize = 120;

/// The protocol of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of Redis: the proxy sees every command by name, and pairs every reply with it.
    Redis,
    /// HTTP/1.1 with one request after the other: the first bytes from the client are the request,
    /// and the first bytes that come back are its answer.
    Http,
}

/// A whole request at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its length in bytes.
    pub(crate) len: usize,
    /// The label, such as `XACK order_completed` or `GET /products/7`. `None` for the rest of a
    /// request whose beginning was passed on already.
    pub(crate) label: Option<String>,
}

/// A whole answer at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its length in bytes.
    pub(crate) len: usize,
    /// Whether it answers a request. A push message does not.
    pub(super) is_reply: bool,
}

impl Protocol {
    /// The first request in `bytes`; none while it is incomplete. `waiting` says whether an answer
    /// is outstanding.
    pub(crate) fn request(self, bytes: &[u8], waiting: bool) -> Option<Request> {
        match self {
            Self::Redis => command(bytes),
            Self::Http if bytes.is_empty() => None,
            Self::Http => {
                let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
                let words = line.splitn(3, |byte| *byte == b' ').take(2);
                let begins = !waiting && bytes[0].is_ascii_uppercase();
                Some(Request {
                    len: bytes.len(),
                    label: begins.then(|| label(words)),
                })
            }
        }
    }

    /// The first answer in `bytes`; none while it is incomplete.
    pub(super) fn answer(self, bytes: &[u8], waiting: bool) -> Option<Answer> {
        match self {
            Self::Redis => reply(bytes),
            Self::Http if bytes.is_empty() => None,
            Self::Http => Some(Answer {
                len: bytes.len(),
                is_reply: waiting,
            }),
        }
    }
}

/// A command: an array of bulk strings, or one line of words.
fn command(bytes: &[u8]) -> Option<Request> {
    let mut scan = Scan { bytes, at: 0 };
    let line = scan.line()?;
    let [b'*', count @ ..] = line else {
        let words = line.split(|byte| *byte == b' ').take(2);
        return Some(Request {
            len: scan.at,
            label: Some(label(words)),
        });
    };
    let mut words = Vec::with_capacity(2);
    for index in 0..number(count) {
        let len = number(scan.line()?.get(1..).unwrap_or_default());
        let word = scan.skip(len)?;
        if index < 2 {
            words.push(word);
        }
    }
    Some(Request {
        len: scan.at,
        label: Some(label(words.into_iter())),
    })
}

/// A reply of RESP2 or RESP3. The values that are still missing are one count, because the parts of
/// nested arrays follow one another.
fn reply(bytes: &[u8]) -> Option<Answer> {
    let mut scan = Scan { bytes, at: 0 };
    let (mut missing, mut first) = (1_u64, None);
    while missing > 0 {
        let (kind, rest) = scan.line()?.split_first()?;
        let len = number(rest);
        missing -= 1;
        match kind {
            // A negative length is a null, and no bytes follow it.
            b'$' | b'!' | b'=' if !rest.starts_with(b"-") => drop(scan.skip(len)?),
            b'*' | b'~' | b'>' => missing += len,
            b'%' => missing += 2 * len,
            // Attributes stand before the value to which they belong.
            b'|' => missing += 2 * len + 1,
            _ => {}
        }
        first.get_or_insert(*kind);
    }
    Some(Answer {
        len: scan.at,
        is_reply: first != Some(b'>'),
    })
}

/// The label of a command: its name in capitals, and its first argument.
fn label<'a>(words: impl Iterator<Item = &'a [u8]>) -> String {
    let mut text = String::new();
    for word in words {
        let word = String::from_utf8_lossy(word);
        if text.is_empty() {
            text = word.to_uppercase();
        } else {
            text.push(' ');
            text.push_str(&word);
        }
    }
    text.chars().take(MAX_LABEL).collect()
}

/// The number behind the first letter of a line; 0 if it is missing or negative.
fn number(digits: &[u8]) -> u64 {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Reads the bytes that have arrived so far.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next line without its end; none while the end has not arrived.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += end + 2;
        Some(&rest[..end])
    }

    /// The next `len` bytes, which a line end has to follow.
    fn skip(&mut self, len: u64) -> Option<&'a [u8]> {
        let len = usize::try_from(len).ok()?;
        let rest = self.bytes.get(self.at..)?;
        let content = rest.get(..len)?;
        rest.get(len..len.checked_add(2)?)?;
        self.at += len + 2;
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that every beginning of `whole` is incomplete, and that later bytes are not read.
    fn ends(whole: &str, read: impl Fn(&[u8]) -> Option<usize>) {
        for end in 0..whole.len() {
            assert_eq!(read(&whole.as_bytes()[..end]), None, "{:?}", &whole[..end]);
        }
        assert_eq!(
            read(format!("{whole}+next\r\n").as_bytes()),
            Some(whole.len()),
            "{whole:?}"
        );
    }

    #[test]
    fn a_command_ends_where_it_ends_and_tells_its_name() {
        let fcall = "*3\r\n$5\r\nfcall\r\n$14\r\nplace_orders_x\r\n$2\r\n\r\n\r\n";
        ends(fcall, |bytes| command(bytes).map(|found| found.len));
        let label = command(fcall.as_bytes()).unwrap().label.unwrap();
        assert_eq!(label, "FCALL place_orders_x");
        assert_eq!(
            command(b"ping\r\n").unwrap(),
            Request {
                len: 6,
                label: Some("PING".into())
            }
        );
    }

    #[test]
    fn a_reply_of_any_kind_ends_where_it_ends() {
        for whole in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":-7\r\n",
            "_\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "$5\r\na\r\nbc\r\n",
            "*2\r\n$1\r\na\r\n*2\r\n:1\r\n$0\r\n\r\n",
            "%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n#t\r\n",
            "|1\r\n+ttl\r\n:3\r\n=5\r\ntxt:a\r\n",
            ">2\r\n+message\r\n$1\r\nx\r\n",
            ",3.5\r\n",
        ] {
            ends(whole, |bytes| reply(bytes).map(|found| found.len));
        }
    }

    #[test]
    fn a_push_is_no_reply() {
        assert!(!reply(b">1\r\n+invalidate\r\n").unwrap().is_reply);
        assert!(reply(b"_\r\n").unwrap().is_reply);
    }
}
