//! What the functions of inventory do. Each method is one function: its answer, and its changes.
//! Times are numbers of steps.

use std::collections::BTreeMap;
use std::ops::Range;

use inventory::domain::{Adjustment, ApplyOutcome, Decision, MovementKind, decide};
use proof::twin::claim::Claims;
use proof::twin::{Answer, Beginning, pattern};
use shared::contract::event::{RefundOrder, RefundReason};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;

use super::product::{Deleted, Listed, Movement, Product, Recorded};
use super::request::{Adjust, Apply, Create, Delete, Paid, Update};

/// All data of inventory.
pub(crate) struct Model {
    pub(crate) beginning: Beginning,
    pub(crate) products: BTreeMap<ProductId, Listed>,
    pub(crate) records: BTreeMap<OrderId, Recorded>,
    /// The first hour whose records are kept.
    pub(crate) swept: Option<u64>,
    /// The fields of each refund.
    pub(crate) refunds: Vec<Vec<(String, String)>>,
    /// What clients that watch were told: a kind, and products.
    pub(crate) changes: Vec<(&'static str, Vec<ProductId>)>,
    pub(crate) claims: Claims,
}

const DONE: i64 = 1;

impl Model {
    pub(crate) fn create_product(&mut self, step: usize, request: &Create) -> Answer {
        let created = |at| codes(&[DONE], Some(pattern::at(at, 0)));
        match self.products.get(&request.id).map(|place| &place.product) {
            Some(Ok(product)) => return created(product.created),
            Some(Err(_)) => return Answer::Refused("was deleted"),
            None => {}
        }
        if let Some(answer) = self.claims.replay(request.claim.as_ref()) {
            return answer;
        }
        let product = Product {
            name: request.name.as_str().to_owned(),
            sort_name: request.name.folded(),
            price: request.price.clone(),
            quantity: request.quantity,
            version: 1,
            created: step,
            updated: step,
        };
        let first = Movement::by_hand(MovementKind::Created, 0, request.quantity, None);
        let place = Listed {
            product: Ok(product),
            movements: vec![first],
        };
        self.products.insert(request.id, place);
        self.claims.remember(
            request.claim.as_ref(),
            format!("{} {}", request.id, pattern::at(step, 0)),
        );
        self.changes.push(("product.created", vec![request.id]));
        created(step)
    }

    pub(crate) fn update_product(&mut self, step: usize, request: &Update) -> Answer {
        let Some(product) = self.product(request.id) else {
            return codes(&[0], None);
        };
        if !request.condition.admits(product.version) {
            return codes(&[3], None);
        }
        let before = product.clone();
        if let Some(name) = &request.name {
            name.as_str().clone_into(&mut product.name);
            product.sort_name = name.folded();
        }
        product.price = request.price.clone().unwrap_or(product.price.clone());
        let changes = (&product.name, &product.price) != (&before.name, &before.price);
        if changes {
            product.changed(step);
        } else {
            *product = before;
        }
        let answer = codes(&[DONE], Some(product.line()));
        if changes {
            self.changes.push(("product.updated", vec![request.id]));
        }
        answer
    }

    pub(crate) fn adjust_stock(&mut self, step: usize, request: &Adjust) -> Answer {
        if let Some(answer) = self.claims.replay(request.claim.as_ref()) {
            return answer;
        }
        let Some(product) = self.product(request.id) else {
            return codes(&[DONE, 0], None);
        };
        if !request.condition.admits(product.version) {
            return codes(&[DONE, 3], None);
        }
        let adjustment = Adjustment {
            cause: request.cause,
            quantity: request.quantity,
            note: None,
        };
        let before = product.quantity;
        let Some(balance) = adjustment.balance(before) else {
            return codes(&[DONE, 4], None);
        };
        product.quantity = balance;
        product.changed(step);
        let line = product.line();
        let movement =
            Movement::by_hand(request.cause.kind(), before, balance, request.note.clone());
        self.place(request.id).movements.push(movement);
        self.claims.remember(request.claim.as_ref(), line.clone());
        self.changes
            .push(("product.stock_changed", vec![request.id]));
        codes(&[DONE, 1], Some(line))
    }

    pub(crate) fn delete_product(&mut self, step: usize, request: &Delete) -> Answer {
        let Some(product) = self.product(request.id) else {
            return Answer::Number(0);
        };
        if !request.condition.admits(product.version) {
            return Answer::Number(3);
        }
        let last = Movement::by_hand(MovementKind::Deleted, product.quantity, 0, None);
        let place = self.place(request.id);
        place.product = Err(Deleted { at: step });
        place.movements.push(last);
        self.changes.push(("product.deleted", vec![request.id]));
        Answer::Number(1)
    }

    pub(crate) fn apply_orders(&mut self, step: usize, request: &Apply) -> Answer {
        let limits = match self.limits(request) {
            Ok(limits) => limits,
            Err(refusal) => return refusal,
        };
        let mut sold = Vec::new();
        let mut answers = Vec::new();
        for order in &request.orders {
            let outcome = self.apply_order(step, order, &limits);
            if outcome == ApplyOutcome::Applied {
                sold.push(order.product);
            }
            answers.push(Answer::Number(code(outcome)));
        }
        // Each product once, in the order of the request.
        let named = request
            .products()
            .into_iter()
            .filter(|product| sold.contains(product));
        self.changes
            .push(("product.stock_changed", named.collect()));
        Answer::List(answers)
    }

    fn apply_order(&mut self, step: usize, order: &Paid, limits: &Range<u64>) -> ApplyOutcome {
        if order.hour() < limits.start {
            return ApplyOutcome::TooOld;
        }
        let recorded = self
            .records
            .get(&order.id)
            .map(|recorded| recorded.decision);
        if recorded.is_none() && order.hour() >= limits.end {
            return ApplyOutcome::TooNew;
        }
        let decision = recorded.unwrap_or_else(|| self.decide_order(step, order));
        // Also for a recorded order, because payments may have lost the refund.
        if let Decision::Rejected(reason) = decision {
            self.refunds.push(refund(step, order, reason));
        }
        match (recorded, decision) {
            (Some(decision), _) => ApplyOutcome::Repeated(decision),
            (None, Decision::Applied) => ApplyOutcome::Applied,
            (None, Decision::Rejected(reason)) => ApplyOutcome::Rejected(reason),
        }
    }

    fn decide_order(&mut self, step: usize, order: &Paid) -> Decision {
        let on_hand = self.product(order.product).map(|product| product.quantity);
        let (decision, left) = decide(on_hand, order.quantity);
        let mut movement = None;
        if let (Decision::Applied, Some(left)) = (decision, left) {
            let place = self.place(order.product);
            if let Ok(product) = &mut place.product {
                product.quantity = left;
                product.changed(step);
            }
            movement = Some((order.product, place.movements.len()));
            place.movements.push(Movement {
                kind: MovementKind::Sale,
                delta: -i64::from(order.quantity),
                balance: left,
                order: Some(order.id),
                note: None,
            });
        }
        let recorded = Recorded {
            hour: order.hour(),
            decision,
            movement,
            released: false,
        };
        // The first record of a store says that the store has forgotten no order.
        self.swept.get_or_insert(0);
        self.records.insert(order.id, recorded);
        decision
    }

    pub(super) fn product(&mut self, id: ProductId) -> Option<&mut Product> {
        self.products.get_mut(&id)?.product.as_mut().ok()
    }

    pub(super) fn place(&mut self, id: ProductId) -> &mut Listed {
        self.products.get_mut(&id).unwrap()
    }
}

pub(super) fn refund(step: usize, order: &Paid, reason: RefundReason) -> Vec<(String, String)> {
    let event = RefundOrder {
        order_id: order.id,
        product_id: order.product,
        quantity: order.quantity,
        reason,
        time: Timestamp::from_millis(0),
        traceparent: order.traceparent.clone(),
        request_id: order.request_id.clone(),
    };
    pattern::event(&event, step)
}

fn code(outcome: ApplyOutcome) -> i64 {
    use RefundReason::{InsufficientStock, ProductNotFound, Released};
    match outcome {
        ApplyOutcome::Applied => 1,
        ApplyOutcome::Rejected(ProductNotFound) => 2,
        ApplyOutcome::Rejected(InsufficientStock) => 3,
        ApplyOutcome::Repeated(Decision::Applied) => 4,
        ApplyOutcome::Repeated(Decision::Rejected(ProductNotFound)) => 5,
        ApplyOutcome::Repeated(Decision::Rejected(InsufficientStock)) => 6,
        ApplyOutcome::TooOld => 7,
        ApplyOutcome::TooNew => 8,
        ApplyOutcome::Repeated(Decision::Rejected(Released)) => 9,
        ApplyOutcome::Rejected(Released) => unreachable!("nothing is released when it is decided"),
    }
}

fn codes(codes: &[i64], text: Option<String>) -> Answer {
    let codes = codes.iter().copied().map(Answer::Number);
    Answer::List(codes.chain(text.map(Answer::Text)).collect())
}
