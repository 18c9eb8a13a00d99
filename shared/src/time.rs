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
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Days from the first of March of the year 0 to the epoch.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days of 400 years.
const DAYS_OF_ERA: u64 = 146_097;
/// The notation.
const TEXT: [u8; 24] = *b"0000-00-00T00:00:00.000Z";

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

impl Timestamp {
    /// Year, month and day, from 1. The Gregorian calendar repeats itself every 400 years, and is
    /// regular where a year begins in March: see "chrono-Compatible Low-Level Date Algorithms" by
    /// Howard Hinnant.
    fn date(self) -> (u64, u64, u64) {
        let days = self.0 / DAY_MS + DAYS_BEFORE_1970;
        let (era, day) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (400 * era + year + later, month, day)
    }

    /// Its text, written to `text`: many of them stand in answers and events.
    fn write(self, text: &mut [u8; TEXT.len()]) -> &str {
        *text = TEXT;
        let (year, month, day) = self.date();
        let (seconds, ms) = (self.0 / 1_000, self.0 % 1_000);
        let (minutes, hours) = (seconds / 60, seconds / 3_600);
        for (end, digits, mut number) in [
            (4, 4, year),
            (7, 2, month),
            (10, 2, day),
            (13, 2, hours % 24),
            (16, 2, minutes % 60),
            (19, 2, seconds % 60),
            (23, 3, ms),
        ] {
            for place in text[end - digits..end].iter_mut().rev() {
                *place += u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        }
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.write(&mut [0; TEXT.len()]))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write(&mut [0; TEXT.len()]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timestamp_is_shown_as_others_show_it(ms in 0..=LATEST_MS) {
            let time = UNIX_EPOCH + Duration::from_millis(ms);
            let shown = Timestamp::from_millis(ms).to_string();
            prop_assert_eq!(shown, humantime::format_rfc3339_millis(time).to_string());
        }
    }

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
