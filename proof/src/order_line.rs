//! The line of an order in payments' store, for tests that change it without the service.

use std::fmt::Display;

use shared::redis::{Command, Redis};

/// The position of the quantity. The other constants are the positions of further values.
pub const QUANTITY: usize = 0;
/// Price of one piece.
pub const PRICE: usize = 1;
/// The fee.
pub const FEE: usize = 2;
/// The price of all pieces, and the fee.
pub const TOTAL: usize = 3;
/// The product.
pub const PRODUCT_ID: usize = 4;
/// The id of the request that placed the order.
pub const REQUEST_ID: usize = 6;
/// When the order was placed.
pub const CREATED_AT: usize = 7;
/// When the order is due.
pub const COMPLETES_AT: usize = 8;
/// The first value of what happened to the order later.
pub const LATER: usize = 9;
/// When the order was paid.
pub const PAID_AT: usize = 10;
/// The first value after those of a payment.
pub const AFTER_PAYMENT: usize = 12;

/// The line after `change`.
pub fn changed(line: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut values = line.split(' ').map(str::to_owned).collect();
    change(&mut values);
    values.join(" ")
}

/// Changes an order in its store, which has no partitions.
///
/// # Panics
///
/// When the store has no such order.
pub async fn change(operator: &Redis, id: impl Display, change: impl FnOnce(&mut Vec<String>)) {
    let key = format!("order:{id}");
    let found = operator.run(Command::new("GET").key(key.as_str())).await;
    let line = found
        .expect("the store answers")
        .text()
        .expect("there is such an order");
    let set = Command::new("SET").key(key).arg(changed(&line, change));
    operator.run(set).await.expect("the store answers");
}
