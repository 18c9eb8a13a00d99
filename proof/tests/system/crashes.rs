//! Processes are killed in the middle of their work.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::ProductId;
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::{Shop, completed, count, millis};
use crate::outages::assert_orders_survive;

#[tokio::test]
async fn no_order_is_lost_early_or_paid_twice_when_payments_is_killed_with_500_of_them_pending() {
    const ORDERS: u32 = 500;
    const DELAY: Duration = Duration::from_secs(4);
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", "4s")).await;
    let product = shop.create_product("thing", 10_000).await;
    let placed = stream::iter(0..ORDERS).map(|index| shop.place_order(product, 1 + index % 3));
    let ids: HashSet<_> = placed
        .buffer_unordered(50)
        .map(|(id, _)| id)
        .collect()
        .await;

    let processes = ["payments serve", "payments consume"].map(|name| shop.system.process(name));
    for process in &processes {
        process.kill();
    }
    let due = shop
        .payments
        .ask("ZRANGE", &["due", "0", "-1"])
        .await
        .texts()
        .unwrap();
    let due = due
        .iter()
        .flat_map(|placed_together| placed_together.split(' '));
    assert_eq!(
        u32::try_from(due.count()),
        Ok(ORDERS),
        "all orders are pending"
    );
    assert_eq!(shop.payments.length(OrderCompleted::STREAM).await, 0);
    for process in &processes {
        process.restart().unwrap();
    }
    shop.system.wait_ready().await.unwrap();
    shop.assert_quiet().await;

    let orders = shop.orders().await;
    assert_eq!(count(&orders, "paid"), ids.len());
    for order in &orders {
        let waited = millis(order, "paid_at") - millis(order, "created_at");
        assert!(u128::from(waited) >= DELAY.as_millis(), "{order}");
    }
    let emitted = shop.payments.column(OrderCompleted::STREAM, "order_id");
    let emitted = emitted.await;
    assert_eq!(emitted.len(), ids.len(), "one entry for each order");
    let emitted: HashSet<_> = emitted.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(emitted, ids);
    let sold: u32 = (0..ORDERS).map(|index| 1 + index % 3).sum();
    assert_eq!(shop.stock(product).await, u64::from(10_000 - sold));
}

#[tokio::test]
async fn stock_is_exact_after_ten_kills_of_the_consumer_while_10_000_events_drain() {
    let drain = Drain::prepare(10_000).await;
    let consumer = drain.shop.system.process("inventory consume");
    drain
        .interrupt(10, async || {
            consumer.kill();
            consumer.restart().unwrap();
        })
        .await;
    drain.assert_exact().await;
}

#[tokio::test]
async fn stock_is_exact_after_kills_of_both_stores_while_10_000_events_drain() {
    let drain = Drain::prepare(10_000).await;
    let stores = [
        drain.shop.system.inventory_redis(),
        drain.shop.system.payments_redis(),
    ];
    let mut next = stores.iter().cycle();
    drain
        .interrupt(6, async || {
            let store = next.next().unwrap();
            store.kill();
            store.restart().await.unwrap();
        })
        .await;
    drain.assert_exact().await;
}

#[tokio::test]
async fn no_order_is_lost_or_doubled_when_any_process_is_killed_under_load() {
    assert_orders_survive(async |shop, traffic| {
        for role in Role::ALL.iter().cycle().take(3 * Role::ALL.len()) {
            let process = shop.system.process(role.name());
            process.kill();
            process.restart().unwrap();
            traffic.more(20).await;
        }
    })
    .await;
}

/// Events of several products that no consumer has read yet.
struct Drain {
    shop: Shop,
    products: Vec<ProductId>,
    events: Vec<OrderCompleted>,
}

impl Drain {
    const PRODUCTS: usize = 7;
    const STOCK: u32 = 100_000;

    async fn prepare(events: usize) -> Self {
        let shop = Shop::start(Shop::builder().without("inventory consume")).await;
        let mut products = Vec::new();
        for _ in 0..Self::PRODUCTS {
            products.push(shop.create_product("thing", Self::STOCK).await);
        }
        let events: Vec<_> = (0..events)
            .zip(products.iter().cycle())
            .map(|(index, &product)| completed(product, if index % 2 == 0 { 1 } else { 3 }))
            .collect();
        shop.emit(&events).await;
        Self {
            shop,
            products,
            events,
        }
    }

    /// Starts the consumer and interrupts it this many times, evenly spread over the work. At each
    /// interruption one part of the work is done, and the rest is not.
    async fn interrupt(&self, times: u64, mut interruption: impl AsyncFnMut()) {
        let consumer = self.shop.system.process("inventory consume");
        consumer.restart().unwrap();
        let everything: u64 = self.products.iter().map(|id| self.ordered(*id)).sum();
        for time in 1..=times {
            let enough = everything * time / (times + 2);
            let taken = eventually("the next interruption", async || {
                let taken = self.taken().await;
                (taken >= enough).then_some(taken)
            })
            .await;
            assert!(taken < everything, "interruption {time} came too late");
            interruption().await;
        }
    }

    async fn assert_exact(&self) {
        self.shop.system.wait_ready().await.unwrap();
        self.shop.assert_quiet().await;
        for &product in &self.products {
            let left = u64::from(Self::STOCK) - self.ordered(product);
            assert_eq!(self.shop.stock(product).await, left);
            let sales = self.events.iter();
            let sales = sales.filter(|event| event.product_id == product).count();
            let movements = self.shop.movements(product).await;
            assert_eq!(movements, 1 + sales as u64, "one movement for each sale");
        }
    }

    fn ordered(&self, product: ProductId) -> u64 {
        let events = self.events.iter();
        let of_it = events.filter(|event| event.product_id == product);
        of_it.map(|event| u64::from(event.quantity)).sum()
    }

    async fn taken(&self) -> u64 {
        let mut on_hand = 0;
        for product in &self.products {
            let key = format!("product:{product}");
            let line = self
                .shop
                .inventory
                .ask("GET", &[&key])
                .await
                .text()
                .unwrap();
            on_hand += line.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
        }
        u64::from(Self::STOCK) * Self::PRODUCTS as u64 - on_hand
    }
}
