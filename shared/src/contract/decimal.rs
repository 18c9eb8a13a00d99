//! Exact decimals in the notation of JSON numbers. `1E+2`, `100` and `100.00` are the same value.
//! Nothing is rounded, and no value becomes a floating point number.

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is not a JSON number.
    Notation,
    /// The value is less than zero.
    Negative,
    /// The value has more decimals than the result can hold.
    TooFine,
    /// The value has more digits than the result can hold.
    TooLarge,
}

/// Most digits of a scaled decimal, so that it fits into 64 bits.
const MAX_DIGITS: i64 = 18;
/// Larger exponents are replaced by this one. No text has this many digits, so the value is too
/// fine or too large with either exponent. Sums with this exponent do not overflow.
const EXTREME_EXPONENT: i64 = 1_000_000_000;

/// The value of `text` times ten to the power of `places`. The product has to be a whole number.
///
/// The time depends on the length of the text and not on its exponent.
pub(crate) fn scaled(text: &str, places: u8) -> Result<u64, Fault> {
    let (negative, text) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return Err(Fault::Notation),
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let needless_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || needless_zero || !are_digits(whole) || !are_digits(fraction) {
        return Err(Fault::Notation);
    }
    let digits = || whole.bytes().chain(fraction.bytes());
    let length = whole.len() + fraction.len();
    let length = length - digits().rev().take_while(|digit| *digit == b'0').count();
    if length == 0 {
        return Ok(0);
    }
    if negative {
        return Err(Fault::Negative);
    }
    // The place of the last digit that is not zero, in the scaled value. Place 0 holds the ones.
    let place = signed(whole.len()) - signed(length) + exponent + i64::from(places);
    let Ok(place) = u32::try_from(place) else {
        return Err(if place < 0 {
            Fault::TooFine
        } else {
            Fault::TooLarge
        });
    };
    let significant = digits().take(length).skip_while(|digit| *digit == b'0');
    if signed(significant.clone().count()) + i64::from(place) > MAX_DIGITS {
        return Err(Fault::TooLarge);
    }
    let value = significant.fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Ok(value * 10_u64.pow(place))
}

fn read_exponent(text: &str) -> Result<i64, Fault> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !are_digits(digits) {
        return Err(Fault::Notation);
    }
    // Parsing fails only if there are too many digits for the type.
    let exponent = digits
        .parse()
        .unwrap_or(EXTREME_EXPONENT)
        .min(EXTREME_EXPONENT);
    Ok(sign * exponent)
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(EXTREME_EXPONENT)
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Like `scaled`, by another algorithm: the digits are written out, and the point is moved.
    fn written_out(text: &str, places: u8) -> Option<u64> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: isize = exponent.parse().unwrap();
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: String = format!("{whole}{fraction}");
        let point = whole.len().cast_signed() + exponent + isize::from(places);
        let before = "0".repeat(usize::try_from(-point).unwrap_or(0));
        digits = before.clone() + &digits;
        let point = usize::try_from(point).unwrap_or(0);
        digits += &"0".repeat(point.saturating_sub(digits.len()));
        let (value, rest) = digits.split_at(point);
        let whole = rest.bytes().all(|digit| digit == b'0');
        let value = value.trim_start_matches('0');
        let value = if value.is_empty() { "0" } else { value };
        value.parse().ok().filter(|_| whole && value.len() <= 18)
    }

    #[test]
    fn what_has_the_same_value_reads_the_same() {
        for text in [
            "100",
            "1E+2",
            "1e2",
            "100.00",
            "10000e-2",
            "0.1e3",
            "1.00e+002",
            "0.0001E6",
        ] {
            assert_eq!(scaled(text, 2), Ok(10_000), "{text}");
        }
        for text in [
            "0",
            "-0",
            "0.000",
            "-0.0e5",
            "0e999999999999999999999",
            "0E-10",
        ] {
            assert_eq!(scaled(text, 2), Ok(0), "{text}");
        }
        assert_eq!(scaled("1.23456789E7", 2), Ok(1_234_567_890));
        assert_eq!(scaled(&format!("1{}e-20000", "0".repeat(20_000)), 0), Ok(1));
    }

    #[test]
    fn what_cannot_be_kept_exactly_is_refused_with_its_reason() {
        for (text, fault) in [
            ("1.999", Fault::TooFine),
            ("1e-3", Fault::TooFine),
            ("1e-99999999999999999999", Fault::TooFine),
            ("1e99999999999999999999", Fault::TooLarge),
            ("99999999999999999999", Fault::TooLarge),
            ("-1", Fault::Negative),
            ("-1e-999", Fault::Negative),
        ] {
            assert_eq!(scaled(text, 2), Err(fault), "{text}");
        }
        for text in [
            "", "-", ".", "+1", "01", "00", "-01", "1.", ".5", " 1", "1 ", "1,5", "1_0", "0x1",
            "NaN", "1e", "1e+", "1e1.5", "1e 1", "e1", "--1", "1.0.0", "١", "1e--1", "Infinity",
            "1f",
        ] {
            assert_eq!(scaled(text, 2), Err(Fault::Notation), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_is_worth_what_it_says_written_out(
            text in "(0|[1-9][0-9]{0,12})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?",
            places in 0..5_u8,
        ) {
            prop_assert_eq!(scaled(&text, places).ok(), written_out(&text, places));
        }

        #[test]
        fn moving_the_point_and_the_exponent_changes_nothing(
            minor in 0..=999_999_999_999_u64,
            moved in -400..400_i32,
            zeros in 0..30_usize,
        ) {
            let text = format!("{minor}{}e{}", "0".repeat(zeros), moved - i32::try_from(zeros).unwrap());
            let text = text.replacen("00e", "00.000e", 1);
            let expected = u8::try_from(-moved).ok().map(|places| scaled(&text, places));
            prop_assert!(expected.is_none_or(|read| read == Ok(minor)), "{}", text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-+.eE0-9x]*", places in 0..=9_u8) {
            let _ = scaled(&text, places);
        }
    }
}
