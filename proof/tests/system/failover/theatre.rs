//! A system whose stores have replicas, and clients of it.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use shared::store::partition::Partitions;
use stack::redis;
use stack::role::Role;
use stack::sentinel::Replicated;
use stack::system::System;
use stack::topology::Topology;
use stack::wait::eventually;

use crate::harness::{Answer, Store, Traffic, client, count, pages, unrest};

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
        let orders = eventually("the system to come to rest", async || {
            if unrest(&self.inventory, &self.payments).await.is_some() {
                return None;
            }
            // One more failover in between may take a payment back that nobody has heard of.
            let orders = self.orders().await;
            (count(&orders, "pending") == 0).then_some(orders)
        })
        .await;
        assert_eq!(self.inventory.dead_letters().await, []);
        assert_eq!(self.payments.dead_letters().await, []);
        orders
    }

    pub(super) async fn orders(&self) -> Vec<Value> {
        let url = self.system.url(Role::PaymentsServe.name());
        let page =
            async |path: &str| Answer::patiently(self.http.get(format!("{url}{path}"))).await;
        pages(page, "/orders?limit=100").await
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

    /// Asserts that every order is paid.
    pub(super) fn assert_paid(&self, orders: &[Value]) {
        let paid = count(orders, "paid");
        assert_eq!(paid, orders.len(), "{:#?}", self.history());
    }

    /// Asserts that every order has taken its piece, once.
    pub(super) async fn assert_sold_once(&self, orders: &[Value]) {
        let sold = orders.len() as u64;
        assert_eq!(self.stock().await, STOCK - sold);
        assert_eq!(self.movements().await, 1 + sold, "one for each sale");
    }
}

/// Freezes the replicas and ends their connections: what the primary does from now on stays with
/// it. Answers the primary and the replicas.
pub(super) async fn leave_behind(servers: &Replicated) -> (usize, Vec<usize>) {
    let primary = servers.primary().await.unwrap();
    let replicas: Vec<_> = (0..3).filter(|number| *number != primary).collect();
    for replica in &replicas {
        servers.node(*replica).pause();
    }
    let end = servers
        .operator_of(primary)
        .ask::<u64>(&["CLIENT", "KILL", "TYPE", "replica"]);
    end.await.unwrap();
    (primary, replicas)
}

/// Kills the primary, lets the replicas go on, and waits until one of them takes its place.
pub(super) async fn replace_primary(servers: &Replicated, old: usize, replicas: Vec<usize>) {
    servers.node(old).kill();
    for replica in replicas {
        servers.node(replica).resume();
    }
    servers.wait_failover(old).await.unwrap();
}
