//! Records every command of a store for a while, as `MONITOR` shows it: whether a function issued
//! it, the time by the clock of the server, and each argument byte for byte.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

/// The answer of a store to AUTH and MONITOR.
const ACCEPTED: &str = "+OK";
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The largest number of lines that are kept, so that a mistake cannot fill the memory.
const MAX_LINES: usize = 1_000_000;
const HEX: u32 = 16;

/// A command that a store executed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// Microseconds since the epoch.
    pub(crate) at: u64,
    /// Whether a function in the store issued it.
    pub(crate) by_function: bool,
    pub(crate) args: Vec<Vec<u8>>,
}

/// Listens to a store on a thread of its own.
pub(crate) struct Monitor {
    stream: TcpStream,
    listener: JoinHandle<Vec<String>>,
}

impl Told {
    /// The name of the command, in capitals.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(self.args.first().map_or(b"", Vec::as_slice)).to_ascii_uppercase()
    }

    /// The argument at this position, as text.
    pub(crate) fn text(&self, place: usize) -> &str {
        let arg = self
            .args
            .get(place)
            .and_then(|arg| std::str::from_utf8(arg).ok());
        arg.unwrap_or_default()
    }

    /// Whether it adds to a stream whose key begins with `stream`.
    pub(crate) fn adds_to(&self, stream: &str) -> bool {
        self.name() == "XADD" && self.text(1).starts_with(stream)
    }
}

impl Monitor {
    /// Begins to listen. After the return no command is missed. `url` is that of the operator.
    pub(crate) fn begin(url: &str) -> Result<Self> {
        let (password, address) = login(url).context("an address without a password")?;
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(format!("AUTH operator {password}\r\nMONITOR\r\n").as_bytes())?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        for _ in 0..2 {
            let answer = lines.next().context("no answer")??;
            ensure!(answer == ACCEPTED, "MONITOR is refused: {answer}");
        }
        stream.set_read_timeout(None)?;
        // The thread ends when `end` shuts the stream down, which ends the lines.
        let listener = std::thread::spawn(move || {
            lines
                .map_while(std::result::Result::ok)
                .take(MAX_LINES)
                .collect()
        });
        Ok(Self { stream, listener })
    }

    /// Ends the recording, and returns the commands.
    pub(crate) fn end(self) -> Result<Vec<Told>> {
        self.stream.shutdown(Shutdown::Both)?;
        let lines = self
            .listener
            .join()
            .map_err(|_| anyhow!("the listener panicked"))?;
        Ok(lines.iter().filter_map(|line| parse(line)).collect())
    }
}

/// The password and the address in `redis://user:password@address`.
fn login(url: &str) -> Option<(&str, &str)> {
    let (login, address) = url.strip_prefix("redis://")?.split_once('@')?;
    Some((login.split_once(':')?.1, address))
}

/// Parses `+1700000000.123456 [0 127.0.0.1:1] "FCALL" "name"`. A command of a function has `lua` in
/// place of the client's address.
fn parse(line: &str) -> Option<Told> {
    let (time, rest) = line.strip_prefix('+')?.split_once(" [")?;
    let (seconds, micros) = time.split_once('.')?;
    let (client, args) = rest.split_once("] ")?;
    Some(Told {
        at: seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?,
        by_function: client.ends_with("lua"),
        args: quoted(args)?,
    })
}

/// Parses quoted arguments, which are separated by spaces and have the escapes of C.
fn quoted(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut args = Vec::new();
    let mut letters = text.bytes();
    while let Some(quote) = letters.find(|&letter| letter != b' ') {
        if quote != b'"' {
            return None;
        }
        let mut arg = Vec::new();
        loop {
            match letters.next()? {
                b'"' => break,
                b'\\' => arg.push(match letters.next()? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    b'x' => hex(letters.next()?, letters.next()?)?,
                    other => other,
                }),
                other => arg.push(other),
            }
        }
        args.push(arg);
    }
    Some(args)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |letter: u8| char::from(letter).to_digit(HEX);
    u8::try_from(digit(high)? * HEX + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_to_the_last_byte() {
        let line = r#"+1700000000.000012 [0 127.0.0.1:5] "FCALL" "a\"b \\\x00\xffz" """#;
        let told = parse(line).unwrap();
        assert_eq!((told.at, told.by_function), (1_700_000_000_000_012, false));
        assert_eq!(
            told.args,
            [b"FCALL".to_vec(), b"a\"b \\\x00\xffz".to_vec(), Vec::new()]
        );
        assert_eq!(parse("+OK"), None);
    }

    #[test]
    fn what_a_function_tells_is_known_as_such() {
        let told = parse(r#"+1.000001 [0 lua] "XADD" "order_completed" "*""#).unwrap();
        assert!(told.by_function && told.adds_to("order_completed") && !told.adds_to("refund"));
    }

    #[test]
    fn the_password_stands_in_the_address() {
        assert_eq!(
            login("redis://operator:pw@127.0.0.1:1"),
            Some(("pw", "127.0.0.1:1"))
        );
    }
}
