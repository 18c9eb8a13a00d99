use super::*;

#[test]
fn a_key_may_be_quoted_or_bare() {
    let bare: IdempotencyKey = "8e03978e-40d5-43e8-bc93-6894a57f9324".parse().unwrap();
    assert_eq!(
        "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"".parse(),
        Ok(bare.clone())
    );
    assert_ne!("another".parse(), Ok(bare));
}

#[test]
fn yesterday_is_never_the_day_before_the_newest_claim() {
    let day_of = |time: Timestamp| time.as_millis() / DAY_MS;
    for newest in [2, 20_777, 1_000_000] {
        let days = [newest - 2, newest - 1, newest];
        assert_eq!(newest_claims(&days).map(day_of), Some(newest));
        assert_eq!(newest_claims(&days[1..]).map(day_of), Some(newest));
    }
    assert_eq!(newest_claims(&[]), None);
    assert!(newest_claims(&[0, u64::MAX]).is_some(), "no overflow");
}

#[test]
fn claims_of_a_time_to_come_make_no_other_old() {
    let days = [20_776, 20_777, 21_177];
    assert_eq!(newest_claims(&days), Some(day_end(20_777)));
    assert_eq!(
        newest_claims(&[20_776, 20_777, 21_177, 21_178]),
        Some(day_end(20_777))
    );
    let believed = [20_776, 20_777, 21_177, 21_178, 21_179];
    assert_eq!(
        newest_claims(&believed),
        Some(day_end(21_179)),
        "after two days"
    );
}

#[test]
fn a_key_is_visible_ascii_of_bounded_length() {
    for text in [
        "",
        "\"\"",
        "a b",
        "ключ",
        "a\u{7f}",
        &"x".repeat(MAX_KEY_LENGTH + 1),
    ] {
        assert_eq!(text.parse::<IdempotencyKey>(), Err(InvalidKey), "{text:?}");
    }
    assert!("x".repeat(MAX_KEY_LENGTH).parse::<IdempotencyKey>().is_ok());
}
