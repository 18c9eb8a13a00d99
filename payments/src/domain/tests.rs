//! Rules of money and of an order's life.

use super::*;
use proptest::prelude::*;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn fifth() -> FeeRate {
    "0.20".parse().unwrap()
}

#[test]
fn one_piece_costs_its_price_and_a_fifth() {
    let quote = Quote::of(money("19.90"), 1, fifth()).unwrap();
    assert_eq!((quote.fee, quote.total), (money("3.98"), money("23.88")));
}

#[test]
fn the_fee_is_rounded_once_on_the_whole_order() {
    // Rounded for each piece it would be 0.01 three times.
    let quote = Quote::of(money("0.03"), 3, fifth()).unwrap();
    assert_eq!((quote.fee, quote.total), (money("0.02"), money("0.11")));
}

#[test]
fn an_order_beyond_the_range_of_money_has_no_quote() {
    assert_eq!(Quote::of(Money::MAX, 1, fifth()), None);
    assert_eq!(Quote::of(money("9999999.99"), MAX_QUANTITY, fifth()), None);
    assert!(Quote::of(Money::MAX, 1, "0".parse().unwrap()).is_some());
}

proptest! {
    #[test]
    fn the_total_is_always_the_pieces_and_the_fee(cents in 0_u64..100_000_000, quantity in 1..=MAX_QUANTITY) {
        let price = money(&format!("{}.{:02}", cents / 100, cents % 100));
        if let Some(quote) = Quote::of(price, quantity, fifth()) {
            let pieces = price.times(quantity).unwrap();
            prop_assert_eq!(pieces.plus(quote.fee), Some(quote.total));
            prop_assert!(quote.total >= pieces);
        }
    }
}
