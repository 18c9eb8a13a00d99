//! The line of an order in the store. `lua/common/order_line.lua` says what stands in it.

use std::fmt::Display;
use std::str::FromStr;

use shared::base::pieces::Pieces;
use shared::contract::entry_id::EntryId;
use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::redis::RedisError;

use crate::domain::{Order, OrderStatus, PlaceOrder, Quote, Trail};

/// The values of a line, from the first to the last.
struct Values<'a> {
    id: OrderId,
    rest: Pieces<'a, b' '>,
}

/// The beginning of the line of a new order. The store adds the times of the order.
pub(super) fn placed(wanted: PlaceOrder, quote: Quote, context: &RequestContext) -> String {
    let PlaceOrder {
        product_id,
        quantity,
    } = wanted;
    let Quote { price, fee, total } = quote;
    let RequestContext {
        traceparent,
        request_id,
    } = context;
    format!("{quantity} {price} {fee} {total} {product_id} {traceparent} {request_id}")
}

/// Reads the line of an order.
pub(super) fn parse(id: OrderId, line: &str) -> Result<Order, RedisError> {
    let mut values = Values {
        id,
        rest: Pieces::of(line),
    };
    let quantity = values.next("quantity")?;
    let quote = Quote {
        price: values.next("price")?,
        fee: values.next("fee")?,
        total: values.next("total")?,
    };
    let wanted = PlaceOrder {
        product_id: values.next("product_id")?,
        quantity,
    };
    let traceparent = Some(values.next("traceparent")?);
    let request_id = Some(values.next("request_id")?);
    let (created_at, completes_at) = (values.time("created_at")?, values.time("completes_at")?);
    let placed = Order::placed(id, wanted, quote, created_at, completes_at);
    let trail = Trail {
        request_id,
        traceparent,
        ..Trail::default()
    };
    values.what_happened(Order { trail, ..placed })
}

impl Values<'_> {
    /// Reads the values behind the beginning of the line.
    fn what_happened(mut self, mut order: Order) -> Result<Order, RedisError> {
        match self.rest.next() {
            None => return Ok(order),
            Some("cancelled") => {
                order.status = OrderStatus::Cancelled;
                order.cancelled_at = Some(self.time("cancelled_at")?);
            }
            Some("paid") => {
                order.status = OrderStatus::Paid;
                order.paid_at = Some(self.time("paid_at")?);
                let entry: EntryId = self.next("completed_entry")?;
                order.trail.completed_entry = Some(entry.to_string());
                match self.rest.next() {
                    None => return Ok(order),
                    Some("refunded") => self.refunded(&mut order)?,
                    Some(other) => return Err(self.broken("what happened", &other)),
                }
            }
            Some(other) => return Err(self.broken("what happened", &other)),
        }
        match self.rest.next() {
            None => Ok(order),
            Some(other) => Err(self.broken("the end", &other)),
        }
    }

    fn refunded(&mut self, order: &mut Order) -> Result<(), RedisError> {
        order.status = OrderStatus::Refunded;
        order.refunded_at = Some(self.time("refunded_at")?);
        order.reason = Some(self.next("reason")?);
        let entry: EntryId = self.next("refund_entry")?;
        order.trail.refund_entry = Some(entry.to_string());
        Ok(())
    }

    /// The next value, which must be there.
    fn next<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, RedisError> {
        let text = self
            .rest
            .next()
            .ok_or_else(|| self.broken(name, &"it is missing"))?;
        text.parse().map_err(|error| self.broken(name, &error))
    }

    /// The next value, a time in milliseconds.
    fn time(&mut self, name: &str) -> Result<Timestamp, RedisError> {
        self.next(name).map(Timestamp::from_millis)
    }

    fn broken(&self, name: &str, error: &dyn Display) -> RedisError {
        RedisError::malformed(format!("{name} of order {}", self.id), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACED: &str = "2 19.90 7.96 47.76 01a1f82f-1efb-7000-8000-000000000001 \
        00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 checkout-7 1 2";

    #[test]
    fn what_was_placed_is_read_again() {
        let order = parse(OrderId::EXAMPLE, PLACED).unwrap();
        let Trail {
            request_id,
            traceparent,
            ..
        } = order.trail;
        let context = RequestContext {
            request_id: request_id.unwrap(),
            traceparent: traceparent.unwrap(),
        };
        let beginning = placed(order.wanted, order.quote, &context);
        assert_eq!(PLACED.strip_prefix(&beginning), Some(" 1 2"));
    }

    fn read(later: &str) -> Result<Order, RedisError> {
        parse(OrderId::EXAMPLE, &format!("{PLACED}{later}"))
    }

    #[test]
    fn a_line_tells_what_was_placed_and_what_happened_later() {
        let pending = read("").unwrap();
        assert_eq!(
            (pending.status, pending.wanted.quantity),
            (OrderStatus::Pending, 2)
        );
        assert_eq!(
            pending.trail.request_id.as_ref().unwrap().as_str(),
            "checkout-7"
        );
        let cancelled = read(" cancelled 3").unwrap();
        assert_eq!(cancelled.cancelled_at, Some(Timestamp::from_millis(3)));
        let paid = read(" paid 3 4-0").unwrap();
        assert_eq!(paid.trail.completed_entry.as_deref(), Some("4-0"));
        let refunded = read(" paid 3 4-0 refunded 5 insufficient_stock 6-1").unwrap();
        assert_eq!(
            (refunded.status, refunded.paid_at),
            (OrderStatus::Refunded, paid.paid_at)
        );
        assert_eq!(refunded.trail.refund_entry.as_deref(), Some("6-1"));
    }

    #[test]
    fn a_line_of_another_shape_is_no_order() {
        for later in [
            " ",
            " 3",
            " lost",
            " paid",
            " paid 3",
            " paid 3 4",
            " paid 3 4-0 ",
            " paid 3 4-0 x",
            " paid x 4-0",
            " cancelled",
            " cancelled 3 4",
            " cancelled 3 ",
            " refunded 5 x 6-1",
            " paid 3 4-0 refunded 5 lost 6-1",
            " paid 3 4-0 refunded 5 product_not_found",
            " paid 3 4-0 refunded 5 product_not_found 6-1 7",
        ] {
            assert!(read(later).is_err(), "{later:?}");
        }
        for (place, _) in PLACED.match_indices(' ') {
            assert!(
                parse(OrderId::EXAMPLE, &PLACED[..place]).is_err(),
                "{place}"
            );
            let doubled = format!("{} {}", &PLACED[..place], &PLACED[place..]);
            assert!(parse(OrderId::EXAMPLE, &doubled).is_err(), "{place}");
        }
    }
}
