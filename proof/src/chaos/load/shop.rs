//! The requests of the shop's owner: products, restocks, counts and deletions.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{Load, Upkeep, Wishes};
use crate::chaos::figures::Figure;
use crate::chaos::history::Op;

impl Load {
    /// Creates the products, and answers their ids in the same order.
    pub(crate) async fn open_shop(&self, wishes: &Wishes) -> Result<Vec<String>> {
        let mut rng = Rng::with_seed(0);
        let mut ids = Vec::new();
        for product in &wishes.products {
            let body = json!({
                "name": product.name, "price": product.price, "quantity": product.quantity,
            });
            let intent = self.intent(Op::Create, "/products".to_owned(), body, "");
            let answer = self.insist(&intent, 0, &mut rng).await;
            let id = answer.and_then(|answer| answer.id());
            ids.push(id.context("a product could not be put up for sale")?);
        }
        Ok(ids)
    }

    pub(super) async fn keep_shop(
        self: Arc<Self>,
        upkeep: Vec<(Duration, Upkeep)>,
        products: Arc<Vec<String>>,
        start: Instant,
        seed: u64,
    ) {
        let mut rng = Rng::with_seed(seed);
        for (at, what) in upkeep {
            sleep_until(start + at).await;
            let (op, product, body, figure) = match what {
                Upkeep::Restock { product, quantity } => (
                    Op::Restock,
                    product,
                    json!({"quantity": quantity}),
                    Figure::Restocks,
                ),
                Upkeep::Count { product, quantity } => (
                    Op::Count,
                    product,
                    json!({"quantity": quantity}),
                    Figure::Stocktakes,
                ),
                Upkeep::Delete { product } => (Op::Delete, product, Value::Null, Figure::Deletions),
            };
            let id = products[product].as_str();
            let path = match op {
                Op::Restock => format!("/products/{id}/restock"),
                Op::Count => format!("/products/{id}/stock"),
                _ => format!("/products/{id}"),
            };
            let intent = self.intent(op, path, body, id);
            if self.insist(&intent, 0, &mut rng).await.is_some() {
                self.tally.count(figure);
            }
        }
    }
}
