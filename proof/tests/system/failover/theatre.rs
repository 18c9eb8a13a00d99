//! A system whose stores have replicas, and clients of it.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use shared::contract::event::{OrderCompleted, RefundOrder};
use shared::store::partition::Partitions;
use stack::redis;
use stack::role::Role;
use stack::system::System;
use stack::topology::Topology;
use stack::wait::wait_for;

use crate::harness::{Answer, LIMIT, Store, Traffic, client};

/// Stock at the beginning: more than all clients order.
pub(super) const STOCK: u64 = 1_000_000;

const CLIENTS: usize = 8;

/// A running system with clients for its services and its stores.
pub(super) struct Theatre {
    pub(super) system: System,
    pub(super) inventory: Store,
    pub(super) payments: Store,
    pub(super) http: Client,
    pub(super) product: String,
}

impl Theatre {
    pub(super) async fn open(replicas: usize, acks: &str) -> Self {
        let env = [
            ("COMPLETION_DELAY", "100ms"),
            ("RECLAIM_IDLE", "1s"),
            ("REPLICA_ACKS", acks),
            // A busy machine makes replicas slow.
            ("REPLICA_ACK_TIMEOUT", "500ms"),
        ];
        let topology = Topology::Replicated { replicas };
        let builder = System::builder().topology(topology).envs(&env);
        let system = builder.start().await.unwrap();
        let store = |store| Store::of(system.store(store).operator().unwrap(), Partitions::NONE);
        let (inventory, payments) = (
            store(redis::Owner::Inventory),
            store(redis::Owner::Payments),
        );
        let http = client();
        let url = format!("{}/products", system.url(Role::InventoryServe.name()));
        let body = json!({"name": "thing", "price": "2.50", "quantity": STOCK});
        let made = Answer::patiently(http.post(url).json(&body))
            .await
            .expect(201);
        Self {
            system,
            inventory,
            payments,
            http,
            product: made.text("id"),
        }
    }

    pub(super) fn order_request(&self) -> RequestBuilder {
        let url = format!("{}/orders", self.system.url(Role::PaymentsServe.name()));
        self.http
            .post(url)
            .json(&json!({"product_id": self.product, "quantity": 1}))
    }

    pub(super) fn traffic(&self) -> Traffic {
        let service = &self.system.process(Role::PaymentsServe.name());
        Traffic::repeat(&self.order_request(), service, CLIENTS)
    }

    /// Kills the primary of a store while orders are placed. It comes back as a replica.
    pub(super) async fn lose_primary(&self, store: redis::Owner, traffic: &Traffic) {
        let servers = self.system.store(store).replicated();
        let old = servers.kill_primary().await.unwrap();
        servers.wait_failover(old).await.unwrap();
        servers.return_as_replica(old).await.unwrap();
        traffic.more(50).await;
    }

    /// Waits until no work is left, and answers all orders.
    pub(super) async fn wait_drained(&self) -> Vec<Value> {
        self.system.wait_ready().await.unwrap();
        let drained = wait_for("the system to come to rest", LIMIT, || async {
            let due = self
                .payments
                .ask("ZCARD", &["due"])
                .await
                .unsigned()
                .unwrap();
            let rests = due == 0
                && self.payments.backlog::<OrderCompleted>().await.is_none()
                && self.inventory.backlog::<RefundOrder>().await.is_none();
            let orders = if rests {
                self.orders().await
            } else {
                return None;
            };
            // Another failover in between may undo a payment of which no client was told.
            orders
                .iter()
                .all(|order| order["status"] != "pending")
                .then_some(orders)
        });
        let orders = drained.await.unwrap();
        assert_eq!(self.inventory.dead_letters().await, []);
        assert_eq!(self.payments.dead_letters().await, []);
        orders
    }

    pub(super) async fn orders(&self) -> Vec<Value> {
        let (mut orders, mut next) = (Vec::new(), Some("/orders?limit=100".to_owned()));
        while let Some(path) = next {
            let url = self.system.url(Role::PaymentsServe.name());
            let page = Answer::patiently(self.http.get(format!("{url}{path}")))
                .await
                .expect(200);
            orders.extend(page.json().as_array().unwrap().iter().cloned());
            next = page.next_page();
        }
        orders
    }

    /// What the Sentinels did, for the message of a test that fails.
    pub(super) fn history(&self) -> Vec<String> {
        self.system
            .store(redis::Owner::Payments)
            .replicated()
            .history()
    }

    pub(super) async fn stock(&self) -> u64 {
        let url = self.system.url(Role::InventoryServe.name());
        let product = self.http.get(format!("{url}/products/{}", self.product));
        Answer::patiently(product).await.expect(200).json()["quantity"]
            .as_u64()
            .unwrap()
    }

    /// The number of movements of the product, its creation included.
    pub(super) async fn movements(&self) -> u64 {
        self.inventory
            .length(&format!("movements:{}", self.product))
            .await
    }
}
