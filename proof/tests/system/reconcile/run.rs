//! One run of `payments reconcile`.

use serde_json::Value;
use shared::contract::id::{OrderId, ProductId};
use stack::role::Role;

use crate::harness::Shop;
use crate::harness::programs::text;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

impl Run {
    /// Asserts that it ended with this status and found these kinds of difference, and whether each
    /// was repaired.
    #[track_caller]
    pub(crate) fn assert_found(&self, code: i32, kinds: &[(&str, bool)]) {
        assert_eq!((self.code, &*self.kinds()), (code, kinds), "{self:?}");
    }

    /// Each kind of difference, and whether it was repaired.
    pub(crate) fn kinds(&self) -> Vec<(&str, bool)> {
        let lines = self.report["differences"].as_array().unwrap().iter();
        lines
            .map(|line| {
                (
                    line["kind"].as_str().unwrap(),
                    line["repaired"].as_bool().unwrap(),
                )
            })
            .collect()
    }
}

/// Compares at once: where a test does not say otherwise, nothing is thought to be on its way.
pub(crate) async fn reconcile(shop: &Shop, args: &[&str]) -> Run {
    let mut args = [&["reconcile", "--json"], args].concat();
    for grace in ["--grace", "--orphan-grace"] {
        if !args.contains(&grace) {
            args.extend([grace, "0"]);
        }
    }
    let output = shop.run(Role::PaymentsServe, &args).await;
    let code = output.status.code().unwrap();
    assert!([0, 3].contains(&code), "{code}: {}", text(&output));
    Run {
        code,
        report: serde_json::from_slice(&output.stdout).unwrap(),
    }
}

pub(crate) async fn paid(shop: &Shop, product: ProductId, quantity: u32) -> OrderId {
    let (id, _) = shop.place_order(product, quantity).await;
    shop.wait_status(id, "paid").await;
    shop.assert_quiet().await;
    id
}

pub(crate) async fn refunded(shop: &Shop, product: ProductId, quantity: u32) -> OrderId {
    let (id, _) = shop.place_order(product, quantity).await;
    shop.wait_status(id, "refunded").await;
    shop.assert_quiet().await;
    id
}

/// Makes inventory forget an order, its movement and what it took.
pub(crate) async fn forget_sale(shop: &Shop, product: ProductId, order: OrderId, stock: u32) {
    shop.forget_record(order).await;
    let key = format!("movements:{product}");
    let last = shop.inventory.entries(&key).await.pop().unwrap();
    shop.inventory.ask("XDEL", &[&key, &last.id]).await;
    shop.set_stock(product, stock).await;
}
