//! The URL of a store.

use std::fmt;
use std::str::FromStr;

use fred::types::config::{Config, ServerConfig};

/// The URL of a store, with a password that `Debug` and `Display` never show.
#[derive(Clone)]
pub struct RedisUrl {
    url: String,
    servers: Vec<String>,
    /// The setting that the URL was read from. Its name begins with the name of the service.
    setting: Option<&'static str>,
}

/// The error for a text that is not the URL of a store.
const URL_FORMS: &str = "expected redis://user:password@host:port/database, or with Sentinel \
    redis-sentinel://user:password@host:port?node=host:port&sentinelServiceName=name, or for a cluster \
    redis-cluster://user:password@host:port?node=host:port";
/// The error for a URL of a cluster with a database number.
const ONE_DATABASE: &str = "a cluster has a single database: remove the path after the port, and \
    give each service a cluster of its own";

const SCHEMES: [&str; 3] = ["redis://", "redis-sentinel://", "redis-cluster://"];

impl RedisUrl {
    /// Whether it names a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.url.starts_with("redis-cluster:")
    }

    /// The whole URL, password included: for the client, never for a log.
    pub fn reveal(&self) -> &str {
        &self.url
    }

    /// Remembers the setting that the URL was read from. Messages about the store then name it.
    #[must_use]
    pub(crate) fn read_from(self, setting: &'static str) -> Self {
        Self {
            setting: Some(setting),
            ..self
        }
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(format!(
                "expected a URL that begins with {}",
                SCHEMES.join(" or ")
            ));
        }
        if let Some(mistake) = url_mistake(text) {
            return Err(mistake.to_owned());
        }
        let mut servers = servers_of(text);
        // `fred` returns the servers in any order. Here, the server before the `?` comes first.
        servers.sort_by_key(|server| {
            !["//", "@"]
                .iter()
                .any(|before| text.contains(&format!("{before}{server}")))
        });
        Ok(Self {
            url: text.to_owned(),
            servers,
            setting: None,
        })
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for RedisUrl {}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.servers.first().map_or("", String::as_str);
        let more = match self.servers.len() {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        match self
            .setting
            .and_then(|setting| Some((setting, setting.split_once('_')?.0)))
        {
            Some((setting, service)) => {
                let service = service.to_lowercase();
                write!(f, "the store of {service} at {first}{more} ({setting})")
            }
            None => write!(f, "the store at {first}{more}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text with the scheme of a store is not the URL of one.
fn url_mistake(text: &str) -> Option<&'static str> {
    if Config::from_url(text).is_err() {
        return Some(URL_FORMS);
    }
    let address = text.split('?').next().unwrap_or_default();
    let database = address
        .splitn(4, '/')
        .nth(3)
        .is_some_and(|path| !["", "0"].contains(&path));
    // `fred` would silently use database 0, the only database of a cluster.
    (text.starts_with("redis-cluster:") && database).then_some(ONE_DATABASE)
}

/// Whether the texts of two URLs name the same data. A server may have several names, which this
/// function cannot see. Then the identity of the store shows that the data is the same.
pub(crate) fn is_same_store(one: &RedisUrl, other: &RedisUrl) -> bool {
    let of = |url: &RedisUrl| Config::from_url(url.reveal()).unwrap_or_default();
    let (one, other) = (of(one), of(other));
    // One set of Sentinels may watch several primaries, so the name of the primary counts as well.
    let primary = |config: &Config| match &config.server {
        ServerConfig::Sentinel { service_name, .. } => Some(service_name.clone()),
        _ => None,
    };
    let (hosts, others) = (one.server.hosts(), other.server.hosts());
    one.database.unwrap_or(0) == other.database.unwrap_or(0)
        && primary(&one) == primary(&other)
        && hosts.iter().any(|host| others.contains(host))
}

/// The servers that a URL names, as `host:port`.
fn servers_of(url: &str) -> Vec<String> {
    let servers = Config::from_url(url).unwrap_or_default().server.hosts();
    servers.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = |url: &str| {
            let url: RedisUrl = url.parse().unwrap();
            assert_eq!(format!("{url}"), format!("{url:?}"));
            (
                url.to_string(),
                url.read_from("PAYMENTS_REDIS_URL").to_string(),
            )
        };
        let (plain, named) = shown("redis://payments:s3cret@127.0.0.1:6379");
        assert_eq!(plain, "the store at 127.0.0.1:6379");
        assert_eq!(
            named,
            "the store of payments at 127.0.0.1:6379 (PAYMENTS_REDIS_URL)"
        );
        let url = "redis-sentinel://payments:s3cret@a:26379?node=b:26379&sentinelServiceName=payments\
                   &sentinelUsername=sentinel&sentinelPassword=s3cret";
        assert_eq!(shown(url).0, "the store at a:26379 and 1 more");
        for text in [
            "redis-sentinel://:s3cret@a:26379",
            "127.0.0.1:6379",
            "http://127.0.0.1",
            "redis://:s3cret@host:port",
            "rediss://:s3cret@host:6379",
            "redis://:s3cret@host:65536",
        ] {
            let error = text.parse::<RedisUrl>().unwrap_err();
            assert!(
                !error.contains("s3cret") && error.contains("redis"),
                "{error}"
            );
        }
    }
}
