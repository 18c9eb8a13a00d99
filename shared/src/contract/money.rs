//! Money: whole minor units in memory, and an exact decimal with two places in JSON and in events.
//! No amount becomes a floating point number.

use std::fmt;
use std::str::FromStr;

use crate::base::config::Explain;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::contract::decimal::{self, Fault};

/// An amount of money in minor units (cents), between `0.00` and `9999999999.99`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// A share of an amount in ten-thousandths, between `0` and `1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRate(i64);

/// Why a text is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// Not a JSON number, for example because of a space, a comma or `NaN`.
    #[error("must be a number such as 19.90, without spaces, commas and +")]
    Notation,
    /// Less than zero.
    #[error("must be at least 0.00")]
    Negative,
    /// A third decimal.
    #[error("must have at most two decimals, such as 19.90")]
    TooFine,
    /// More than [`Money::MAX`].
    #[error("must be at most 9999999999.99")]
    TooLarge,
}

/// The text is not a share between 0 and 1 with at most four decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a share between 0 and 1 with at most four decimals, such as 0.20")]
pub struct InvalidRate;

/// Ten-thousandths in one whole.
const RATE_SCALE: i64 = 10_000;
/// Decimals of a rate.
const RATE_PLACES: u8 = 4;
/// Digits of the largest amount before the point.
const MAX_MAJOR_DIGITS: usize = 10;
/// Digits after the point.
const PLACES: u8 = 2;
/// Length of the text of the largest amount.
const MAX_LENGTH: usize = MAX_MAJOR_DIGITS + 1 + PLACES as usize;

impl Money {
    /// The largest amount. A client that reads JSON numbers as doubles still reads this one
    /// exactly.
    pub const MAX: Self = Self(999_999_999_999);
    /// [`Money::MAX`], as the OpenAPI documents state it.
    pub const MAX_NUMBER: f64 = 9_999_999_999.99;

    /// An amount of this many minor units.
    pub fn from_minor(minor: u32) -> Self {
        Self(i64::from(minor))
    }

    /// The amount in minor units.
    pub fn as_minor(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// This amount `quantity` times, or `None` above [`Money::MAX`].
    pub fn times(self, quantity: u32) -> Option<Self> {
        self.0
            .checked_mul(i64::from(quantity))
            .and_then(Self::within_range)
    }

    /// The sum, or `None` above [`Money::MAX`].
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::within_range)
    }

    /// The fee on this amount, rounded half up to the minor unit.
    #[must_use]
    pub fn fee(self, rate: FeeRate) -> Self {
        // No overflow: the factors are at most 10^12 and 10^4.
        Self((self.0 * rate.0 + RATE_SCALE / 2) / RATE_SCALE)
    }

    fn within_range(minor: i64) -> Option<Self> {
        (0..=Self::MAX.0).contains(&minor).then_some(Self(minor))
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let minor = decimal::scaled(text, PLACES).map_err(|fault| match fault {
            Fault::Notation => InvalidMoney::Notation,
            Fault::Negative => InvalidMoney::Negative,
            Fault::TooFine => InvalidMoney::TooFine,
            Fault::TooLarge => InvalidMoney::TooLarge,
        })?;
        i64::try_from(minor)
            .ok()
            .and_then(Self::within_range)
            .ok_or(InvalidMoney::TooLarge)
    }
}

impl Money {
    /// The amount as text, written to the end of `text`. Every answer has amounts, so nothing is
    /// allocated.
    fn write(self, text: &mut [u8; MAX_LENGTH]) -> &str {
        let (mut start, mut rest) = (MAX_LENGTH, self.as_minor());
        for place in 0.. {
            if place == PLACES {
                start -= 1;
                text[start] = b'.';
            }
            start -= 1;
            text[start] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 && place >= PLACES {
                break;
            }
        }
        std::str::from_utf8(&text[start..]).unwrap_or_default()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.write(&mut [0; MAX_LENGTH]))
    }
}

/// A JSON number with two decimals. It is written as raw text, because an `f64` would lose a
/// trailing zero.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(self.write(&mut [0; MAX_LENGTH]))
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl Explain for InvalidRate {
    fn explain(self) -> Option<String> {
        Some(self.to_string())
    }
}

impl FromStr for FeeRate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let rate = decimal::scaled(text, RATE_PLACES)
            .ok()
            .and_then(|rate| i64::try_from(rate).ok());
        rate.filter(|rate| *rate <= RATE_SCALE)
            .map(Self)
            .ok_or(InvalidRate)
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / RATE_SCALE, self.0 % RATE_SCALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_amount_is_read_exactly_and_shown_with_two_decimals() {
        for (text, shown) in [
            ("0", "0.00"),
            ("19.9", "19.90"),
            ("0.05", "0.05"),
            ("9999999999.99", "9999999999.99"),
        ] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn an_amount_is_its_value_however_it_is_spelled() {
        for (text, shown) in [
            ("1E+2", "100.00"),
            ("1.23456789E7", "12345678.90"),
            ("19.900", "19.90"),
            ("1990e-2", "19.90"),
            ("-0.0", "0.00"),
            ("9.99999999999E9", "9999999999.99"),
        ] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_its_reason() {
        let refused = [
            "", ".", "+1", "0x10", "1.", ".5", " 1", "1 ", "1,00", "1_000", "NaN", "Infinity",
            "00", "01.00", "١", "1.0.0",
        ];
        for (fault, texts) in [
            (InvalidMoney::Notation, &refused[..]),
            (InvalidMoney::Negative, &["-1", "-0.01", "-1e-9"]),
            (InvalidMoney::TooFine, &["1.999", "1e-3", "1e-999999999"]),
            (
                InvalidMoney::TooLarge,
                &["10000000000", "1e10", "1e999999999", "99999999999999999999"],
            ),
        ] {
            for text in texts {
                assert_eq!(text.parse::<Money>(), Err(fault), "{text:?}");
            }
        }
    }

    #[test]
    fn money_is_a_json_number_with_two_decimals() {
        assert_eq!(serde_json::to_string(&Money(1_990)).unwrap(), "19.90");
    }

    #[test]
    fn a_fee_is_rounded_half_up_to_the_cent() {
        let fee = |amount: &str, rate: &str| {
            amount
                .parse::<Money>()
                .unwrap()
                .fee(rate.parse().unwrap())
                .to_string()
        };
        assert_eq!(fee("19.90", "0.20"), "3.98");
        assert_eq!(fee("0.02", "0.20"), "0.00");
        assert_eq!(fee("0.03", "0.20"), "0.01");
        assert_eq!(fee("0.10", "0.05"), "0.01");
        assert_eq!(fee("9999999999.99", "1"), "9999999999.99");
    }

    #[test]
    fn a_rate_lies_between_nothing_and_everything() {
        for text in ["0.2", "0.20000", "2e-1", "20E-2"] {
            assert_eq!(text.parse::<FeeRate>().unwrap().to_string(), "0.2000");
        }
        for text in ["1.0001", "2", "-0.2", "0.00001", "20%", ""] {
            assert_eq!(text.parse::<FeeRate>(), Err(InvalidRate), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_reads_back_what_it_shows(minor in 0..=Money::MAX.0) {
            prop_assert_eq!(Money(minor).to_string().parse(), Ok(Money(minor)));
        }

        #[test]
        fn the_fee_is_within_half_a_cent_of_the_exact_share(minor in 0..=Money::MAX.0, rate in 0..=RATE_SCALE) {
            let error = i128::from(Money(minor).fee(FeeRate(rate)).0) * 10_000 - i128::from(minor) * i128::from(rate);
            prop_assert!((-5_000 < error) && (error <= 5_000));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<Money>();
            let _ = text.parse::<FeeRate>();
        }

        #[test]
        fn sums_and_multiples_never_leave_the_range(a in 0..=Money::MAX.0, b in 0..=Money::MAX.0, quantity: u32) {
            let exact = |value: i128| (value <= i128::from(Money::MAX.0)).then_some(value);
            prop_assert_eq!(Money(a).plus(Money(b)).map(|m| i128::from(m.0)), exact(i128::from(a) + i128::from(b)));
            prop_assert_eq!(
                Money(a).times(quantity).map(|m| i128::from(m.0)),
                exact(i128::from(a) * i128::from(quantity))
            );
        }
    }
}
