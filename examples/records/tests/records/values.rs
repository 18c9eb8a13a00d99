//! The values of the domain and of the settings.

use proptest::prelude::*;
use records::domain::{Change, InvalidNumber, Name, Number, Written};

proptest! {
    #[test]
    fn a_name_is_taken_as_it_is_or_refused(text in "\\PC{0,120}|[\\x00-\\xff]{0,3}") {
        let chars = text.chars().count();
        let fits = (1..=100).contains(&chars) && !text.chars().any(char::is_control);
        let name = text.parse::<Name>();
        prop_assert_eq!(name.is_ok(), fits);
        if let Ok(name) = name {
            prop_assert_eq!(name.as_str(), text);
        }
    }

    #[test]
    fn every_whole_number_is_within_64_bits_or_beyond(number in any::<i128>(), shift in 0_u32..127) {
        let number = number >> shift;
        let expected = i64::try_from(number).map_or(Number::Beyond, Number::Within);
        prop_assert_eq!(number.to_string().parse(), Ok(expected));
    }

    #[test]
    fn a_change_is_exact_or_refused(value in any::<i64>(), number in any::<i64>()) {
        let within = |exact| i64::try_from(exact).map_or(Written::Overflow, Written::Value);
        let (wide, other) = (i128::from(value), i128::from(number));
        prop_assert_eq!(Change::Increment(number).apply(Some(value)), within(wide + other));
        prop_assert_eq!(Change::Decrement(number).apply(Some(value)), within(wide - other));
    }
}

#[test]
fn other_texts_are_no_numbers() {
    for text in [
        "",
        "-",
        "+",
        "1.0",
        "1e3",
        " 1",
        "0x1",
        "9999999999999999999999x",
        "one",
    ] {
        assert_eq!(text.parse::<Number>(), Err(InvalidNumber), "{text:?}");
    }
    for (text, number) in [("-0", 0), ("007", 7), ("+5", 5)] {
        assert_eq!(text.parse(), Ok(Number::Within(number)));
    }
}
