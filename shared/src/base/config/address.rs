//! The address that a process listens on.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::Context;
use tokio::net::lookup_host;

/// A host and a port. The host is a name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// The error for a text that is not an address.
const FORMS: &str = "expected host:port, such as 127.0.0.1:8000, localhost:8000 or [::1]:8000, with a \
    port up to 65535; 0.0.0.0:8000 listens on every IPv4 interface, [::]:8000 on every interface";

impl Address {
    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Looks up the address of the host. Of several addresses, an IPv4 address is preferred:
    /// `localhost` becomes 127.0.0.1.
    pub async fn resolve(&self) -> anyhow::Result<SocketAddr> {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        // The error of the system is dropped: its text adds nothing to the message below.
        let found: Vec<SocketAddr> = found.into_iter().flatten().collect();
        let first = found
            .iter()
            .find(|address| address.is_ipv4())
            .or_else(|| found.first());
        first
            .copied()
            .with_context(|| format!("{self}: cannot resolve the host {}", self.host))
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        let (host, port) = text.rsplit_once(':').ok_or(FORMS)?;
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        // A name needs a letter, so that a mistyped address such as 127.0.0 does not pass for one.
        let is_name =
            host.bytes().all(may_stand) && host.bytes().any(|byte| byte.is_ascii_alphabetic());
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if is_name && is_port => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(FORMS),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_a_name_or_a_number_and_a_port() {
        for (text, resolved) in [
            ("127.0.0.1:8000", "127.0.0.1:8000"),
            ("localhost:8000", "127.0.0.1:8000"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:65535", "[::1]:65535"),
            ("[::]:8000", "[::]:8000"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.resolve().await.unwrap().to_string(), resolved);
        }
        for text in [
            "8000",
            ":8000",
            "localhost",
            "localhost:",
            "localhost:65536",
            "localhost:-1",
            "localhost:+1",
            "::1:8000",
            "127.0.0:8000",
            "http://localhost:8000",
            "lo cal:8000",
            "höst:1",
            "a:b:1",
        ] {
            assert_eq!(text.parse::<Address>(), Err(FORMS), "{text}");
        }
        let unknown: Address = "no-such-host.invalid:8000".parse().unwrap();
        let error = unknown.resolve().await.unwrap_err().to_string();
        assert_eq!(
            error,
            "no-such-host.invalid:8000: cannot resolve the host no-such-host.invalid"
        );
    }
}
