//! The products that are ordered, and their stock.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use shared::contract::id::{OrderId, ProductId};
use stack::load::{Answer, Load, Request, Until};

/// The number of products that are ordered in turn.
pub(crate) const PRODUCTS: u64 = 50;
/// The stock of each product: more than any measurement sells.
const STOCK: u32 = 100_000_000;

/// Creates products.
pub(crate) fn create(inventory: SocketAddr, count: u64) -> Result<Vec<ProductId>> {
    let body = format!(r#"{{"name":"mug","price":"10.00","quantity":{STOCK}}}"#);
    let load = Load::new(inventory, vec![Request::post("/products", &body)], 201);
    let made = Load {
        until: Until::Count(count),
        ..load
    }
    .run()?;
    made.kept
        .iter()
        .map(|(_, answer)| id(answer)?.parse().map_err(anyhow::Error::msg))
        .collect()
}

/// A load of orders for one piece each of these products in turn, shared out among these processes
/// of payments.
pub(crate) fn orders(
    payments: Vec<SocketAddr>,
    products: &[ProductId],
    connections: usize,
    until: Until,
) -> Load {
    let order = |product: &ProductId| {
        let body = format!(r#"{{"product_id":"{product}","quantity":1}}"#);
        Request::post("/orders", &body)
    };
    let requests = products.iter().map(order).collect();
    Load {
        to: payments,
        requests,
        connections,
        rate: None,
        until,
        expect: 201,
        keep: false,
    }
}

/// The number of sold pieces of these products.
pub(crate) fn sold(inventory: SocketAddr, products: &[ProductId]) -> Result<u64> {
    let looks = products
        .iter()
        .map(|id| Request::get(&format!("/products/{id}")));
    let looks = Load::new(inventory, looks.collect(), 200).run()?;
    let mut sold = 0;
    for (_, answer) in looks.kept {
        let product: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let left = product["quantity"]
            .as_u64()
            .context("a product without a quantity")?;
        sold += u64::from(STOCK).saturating_sub(left);
    }
    Ok(sold)
}

/// The id of the order in an answer.
pub(crate) fn order_id(answer: &Answer) -> Result<OrderId> {
    id(answer)?.parse().map_err(anyhow::Error::msg)
}

fn id(answer: &Answer) -> Result<String> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let Some(id) = body["id"].as_str() else {
        bail!("an answer without an id: {body}");
    };
    Ok(id.to_owned())
}
