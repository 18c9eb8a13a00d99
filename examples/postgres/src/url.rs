//! The address of a database.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The address of a database, with a password that `Debug` and `Display` never show.
#[derive(Clone)]
pub struct DatabaseUrl(PgConnectOptions);

/// The error for a text that is not the address of a database. It does not repeat the text, which
/// may have a password.
const FORM: &str = "expected postgres://user:password@host:port/database";

impl DatabaseUrl {
    /// The address for the client.
    pub fn options(&self) -> PgConnectOptions {
        self.0.clone()
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ["postgres://", "postgresql://"];
        if !known.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(FORM);
        }
        text.parse().map(Self).map_err(|_| FORM)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.get_database().unwrap_or_default();
        let (host, port) = (self.0.get_host(), self.0.get_port());
        write!(f, "the database {name} at {host}:{port}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_has_the_password() {
        let url = "postgres://ann:s3cret@db:5433/counters";
        let url: DatabaseUrl = url.parse().unwrap();
        assert_eq!(url.to_string(), "the database counters at db:5433");
        assert_eq!(format!("{url:?}"), url.to_string());
        for wrong in [
            "mysql://ann:s3cret@db",
            "postgres://ann:s3cret@db:99999",
            "db:5432",
        ] {
            assert_eq!(wrong.parse::<DatabaseUrl>().unwrap_err(), FORM, "{wrong}");
        }
    }
}
