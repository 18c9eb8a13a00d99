//! Points in time. Whole milliseconds since the Unix epoch, because that is what Redis stream ids
//! and UUIDv7 carry.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A point in time in milliseconds since the Unix epoch, shown as RFC 3339 in UTC
/// (`2026-11-20T10:00:00.123Z`).
///
/// There is no `now`: the clock of the owning Redis store is the only one that decides anything,
/// and its readings arrive in the replies of its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// The text is no point in time in the notation of RFC 3339, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time in UTC such as 2026-11-20T10:00:00.123Z")]
pub struct InvalidTimestamp;

/// The last millisecond of the year 9999, after which RFC 3339 has no notation.
const LATEST_MS: u64 = 253_402_300_799_999;

impl Timestamp {
    /// What one looks like, for documents: 2026-11-20T10:00:00.123Z.
    pub const EXAMPLE: Self = Self(1_795_168_800_123);

    /// The point `ms` milliseconds after the epoch; anything after the year 9999 becomes its last
    /// millisecond.
    pub fn from_millis(ms: u64) -> Self {
        Self(ms.min(LATEST_MS))
    }

    /// So much later, but not after the year 9999.
    #[must_use]
    pub fn later_by(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// So much earlier, but not before the epoch.
    #[must_use]
    pub fn earlier_by(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> u64 {
        self.0
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let time = humantime::parse_rfc3339(text).map_err(|_| InvalidTimestamp)?;
        let since_epoch = time.duration_since(UNIX_EPOCH).map_err(|_| InvalidTimestamp)?;
        u64::try_from(since_epoch.as_millis()).map(Self::from_millis).map_err(|_| InvalidTimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(self.0)).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_back_what_it_shows() {
        for ms in [0, 1, 951_782_400_000, 1_763_632_806_410, LATEST_MS] {
            let timestamp = Timestamp::from_millis(ms);
            assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
        }
        assert_eq!(
            Timestamp::from_millis(1_763_632_806_410).to_string(),
            "2025-11-20T10:00:06.410Z"
        );
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!("yesterday".parse::<Timestamp>(), Err(InvalidTimestamp));
    }
}
