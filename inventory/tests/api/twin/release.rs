//! Giving back the stock of an order.

use inventory::domain::{Decision, MAX_STOCK, MovementKind};
use proof::twin::Answer;
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};

use super::model::{Model, refund};
use super::product::Movement;
use super::request::{Paid, Release};

const GIVEN_BACK: i64 = 1;
const BEFORE: i64 = 2;
const NOT_TAKEN: i64 = 0;
const TOO_MANY: i64 = 4;

impl Model {
    /// A second release changes nothing, and asks for the refund again.
    pub(crate) fn release_order(&mut self, step: usize, request: &Release) -> Answer {
        let answer = self.release(step, request.order, request.product);
        let Some((product, place)) = self.given_back(request).filter(|_| answer != NOT_TAKEN)
        else {
            // It may have been given back for another product.
            return Answer::Number(NOT_TAKEN);
        };
        if answer != TOO_MANY {
            let quantity = self.place(product).movements[place].delta.unsigned_abs();
            let released = Paid {
                id: request.order,
                minted_at: request.minted_at,
                product,
                quantity: u32::try_from(quantity).unwrap(),
                traceparent: request.context.traceparent.clone(),
                request_id: request.context.request_id.clone(),
            };
            self.refunds
                .push(refund(step, &released, RefundReason::Released));
        }
        Answer::Number(answer)
    }

    /// The movement of a released order, if it belongs to the product of the request.
    fn given_back(&self, request: &Release) -> Option<(ProductId, usize)> {
        let movement = self.records.get(&request.order)?.movement;
        movement.filter(|(id, _)| *id == request.product)
    }

    fn release(&mut self, step: usize, order: OrderId, product: ProductId) -> i64 {
        let Some(recorded) = self.records.get(&order) else {
            return NOT_TAKEN;
        };
        if recorded.released {
            return BEFORE;
        }
        // The request may name another product than the order.
        let Some((_, place)) = recorded.movement.filter(|(id, _)| *id == product) else {
            return NOT_TAKEN;
        };
        let taken = self.place(product).movements[place].delta.unsigned_abs();
        let taken = u32::try_from(taken).unwrap();
        if taken == 0 {
            return NOT_TAKEN;
        }
        // A deleted product gets nothing back.
        if let Some(on_hand) = self.product(product) {
            let balance = on_hand.quantity + taken;
            if balance > MAX_STOCK {
                return TOO_MANY;
            }
            on_hand.quantity = balance;
            on_hand.changed(step);
            self.place(product).movements.push(Movement {
                kind: MovementKind::Release,
                delta: i64::from(taken),
                balance,
                order: Some(order),
                note: None,
            });
            self.changes.push(("product.stock_changed", vec![product]));
        }
        let recorded = self.records.get_mut(&order).unwrap();
        recorded.released = true;
        recorded.decision = Decision::Rejected(RefundReason::Released);
        GIVEN_BACK
    }
}
