//! The rules of names and values.

use proptest::prelude::*;

use super::*;

#[test]
fn a_value_has_at_least_one_byte_and_at_most_64_kib() {
    let value = |length: usize| "v".repeat(length).parse::<ItemValue>().map(|_| length);
    assert_eq!(value(0), Err(InvalidValue::Empty));
    assert_eq!(value(1), Ok(1));
    assert_eq!(value(65_536), Ok(65_536));
    assert_eq!(value(65_537), Err(InvalidValue::TooLong));
}

#[test]
fn the_limit_of_a_value_counts_bytes_and_not_characters() {
    // The letter has two bytes.
    assert!("é".repeat(32_768).parse::<ItemValue>().is_ok());
    let longer = "é".repeat(32_768) + "e";
    assert_eq!(longer.parse::<ItemValue>(), Err(InvalidValue::TooLong));
}

#[test]
fn a_name_counts_characters_and_not_bytes() {
    assert!("é".repeat(200).parse::<ItemId>().is_ok());
    for text in ["", "a\nb", "a\0", "\u{85}", &"a".repeat(201)] {
        assert_eq!(text.parse::<ItemId>(), Err(InvalidItemId), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_name_and_a_value_are_kept_as_they_were_given(text in "\\PC{1,200}") {
        let name = text.parse::<ItemId>().map(|name| name.to_string());
        prop_assert_eq!(name, Ok(text.clone()));
        let value = text.parse::<ItemValue>().map(|value| value.as_str().to_owned());
        prop_assert_eq!(value, Ok(text));
    }

    #[test]
    fn any_text_of_the_right_length_is_a_value(text in ".{1,300}") {
        prop_assert!(text.parse::<ItemValue>().is_ok());
    }
}
