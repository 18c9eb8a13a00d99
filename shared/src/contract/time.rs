//! Points in time, in whole milliseconds since the Unix epoch. Ids of stream entries and UUIDv7
//! carry milliseconds too.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time in milliseconds since the Unix epoch, shown as RFC 3339 in UTC
/// (`2026-11-20T10:00:00.123Z`).
///
/// There is no `now`. Only the clock of the store decides, and the replies of the Redis Functions
/// carry the time on that clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// A time rounded up to a whole millisecond. An event at a whole millisecond is before the rounded
/// time exactly when it is before the given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling(pub Timestamp);

/// The text is not a point in time in the notation of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a time such as 2026-11-20T10:00:00.123Z, or with an offset 2026-11-20T11:00:00%2B01:00"
)]
pub struct InvalidTimestamp;

/// The last millisecond of the year 9999. RFC 3339 has no notation for later times.
const LATEST_MS: u64 = 253_402_300_799_999;
const NANOS_OF_MS: i128 = 1_000_000;
/// The index of the character between the date and the time of day.
const SEPARATOR: usize = "2026-11-20".len();
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Days from the first of March of the year 0 to the epoch.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days of 400 years.
const DAYS_OF_ERA: u64 = 146_097;
/// The template of the text of a timestamp.
const TEXT: [u8; 24] = *b"0000-00-00T00:00:00.000Z";

impl Timestamp {
    /// An example for the documents: 2026-11-20T10:00:00.123Z.
    pub const EXAMPLE: Self = Self(1_795_168_800_123);

    /// The point `ms` milliseconds after the epoch. A point after the year 9999 becomes the last
    /// millisecond of that year.
    pub fn from_millis(ms: u64) -> Self {
        Self(ms.min(LATEST_MS))
    }

    /// The point that is later by `time`, but not after the year 9999.
    #[must_use]
    pub fn later_by(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// The point that is earlier by `time`, but not before the epoch.
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

/// Accepts any offset, and any number of decimals of a second. The time is rounded down to a
/// millisecond. A leap second becomes the last millisecond of the second before it, and a time
/// before the epoch becomes the epoch.
impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        Ok(from_nanos(nanos(text)?))
    }
}

/// Like a [`Timestamp`], but rounded up to a millisecond.
impl FromStr for Ceiling {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        Ok(Self(from_nanos(nanos(text)? + NANOS_OF_MS - 1)))
    }
}

/// Nanoseconds since the epoch. RFC 3339 allows a space in place of the `T`. The library allows any
/// character there, so this function checks it.
fn nanos(text: &str) -> Result<i128, InvalidTimestamp> {
    let separated = matches!(text.as_bytes().get(SEPARATOR), Some(b'T' | b't' | b' '));
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .filter(|_| separated);
    time.map(OffsetDateTime::unix_timestamp_nanos)
        .ok_or(InvalidTimestamp)
}

fn from_nanos(nanos: i128) -> Timestamp {
    let ms = nanos.div_euclid(NANOS_OF_MS).max(0);
    Timestamp::from_millis(u64::try_from(ms).unwrap_or(LATEST_MS))
}

impl Timestamp {
    /// The year, and the month and day from 1. The Gregorian calendar repeats every 400 years. It
    /// is regular if a year begins in March, so that a leap day comes last. The algorithm is from
    /// "chrono-Compatible Low-Level Date Algorithms" by Howard Hinnant.
    fn date(self) -> (u64, u64, u64) {
        let days = self.0 / DAY_MS + DAYS_BEFORE_1970;
        let (era, day) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        (400 * era + year + later, month, day)
    }

    /// The timestamp as text, written to `text`. Answers have many timestamps, so nothing is
    /// allocated.
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

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write(&mut [0; TEXT.len()]))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timestamp_reads_back_what_it_shows(ms in 0..=LATEST_MS) {
            let timestamp = Timestamp::from_millis(ms);
            prop_assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
            prop_assert_eq!(timestamp.to_string().parse(), Ok(Ceiling(timestamp)));
        }

        #[test]
        fn the_same_instant_reads_the_same_at_every_offset(
            seconds in 0..200_000_000_000_u64,
            minutes in -1_439..=1_439_i64,
        ) {
            let local = (seconds + 100_000).cast_signed() + minutes * 60;
            let local = Timestamp::from_millis(local.cast_unsigned() * 1_000).to_string();
            let sign = if minutes < 0 { '-' } else { '+' };
            let (hour, minute) = (minutes.abs() / 60, minutes.abs() % 60);
            let text = format!("{}{sign}{hour:02}:{minute:02}", &local[..19]);
            prop_assert_eq!(text.parse(), Ok(Timestamp::from_millis((seconds + 100_000) * 1_000)));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-+:.0-9TtZz ]{0,40}|.*") {
            let _ = text.parse::<Timestamp>();
        }

        #[test]
        fn a_timestamp_is_shown_as_others_show_it(ms in 0..=LATEST_MS) {
            let time = UNIX_EPOCH + Duration::from_millis(ms);
            let shown = Timestamp::from_millis(ms).to_string();
            prop_assert_eq!(shown, humantime::format_rfc3339_millis(time).to_string());
        }
    }

    #[test]
    fn a_time_is_its_value_however_it_is_spelled() {
        for (text, shown) in [
            ("2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00.000Z"),
            ("2026-11-20t10:00:00z", "2026-11-20T10:00:00.000Z"),
            ("2026-11-20 10:00:00-00:30", "2026-11-20T10:30:00.000Z"),
            ("2026-11-20T10:00:00.1Z", "2026-11-20T10:00:00.100Z"),
            (
                "2026-11-20T10:00:00.123999999999Z",
                "2026-11-20T10:00:00.123Z",
            ),
            ("2024-02-29T00:00:00+23:59", "2024-02-28T00:01:00.000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
            ("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.9999-23:59", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(
                text.parse::<Timestamp>().unwrap().to_string(),
                shown,
                "{text}"
            );
        }
        assert_eq!(
            Timestamp::from_millis(u64::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn what_is_before_a_time_is_before_its_ceiling() {
        for (text, shown) in [
            ("2026-11-20T10:00:00.123Z", "2026-11-20T10:00:00.123Z"),
            ("2026-11-20T10:00:00.123000001Z", "2026-11-20T10:00:00.124Z"),
            ("1960-01-01T00:00:00.5Z", "1970-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(
                text.parse::<Ceiling>().unwrap().to_string(),
                shown,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_of_rfc_3339_is_refused() {
        for text in [
            "",
            "yesterday",
            "1795168800",
            "2026-11-20",
            "2026-11-20T10:00Z",
            "2026-11-20T10:00:00",
            "2026-11-20T10:00:00.Z",
            "2026-11-20T10:00:00+0100",
            "2026-11-20T10:00:00+24:00",
            "2026-11-20T10:00:00+01:60",
            "2026-11-20T24:00:00Z",
            "2026-11-20T10:60:00Z",
            "2026-13-20T10:00:00Z",
            "2025-02-29T10:00:00Z",
            "2026-11-20_10:00:00Z",
            "2026-11-20T10:00:60Z",
            "+2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00Z ",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }
}
