//! Both stores are clusters of six nodes, and there are two processes of each role.
//!
//! Slots move and primaries are lost while orders are placed. No durable write is lost, and no
//! order is acted on twice.

use std::collections::HashSet;
use std::num::NonZeroU16;
use std::time::Instant;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::{OrderId, ProductId};
use shared::store::partition::Partitions;
use stack::redis;
use stack::role::Role;
use stack::system::System;
use stack::topology::Topology;

use crate::harness::{Answer, Store, Traffic, client, count, pages, wait_drained};

mod moves;

/// The default number of partitions in a cluster.
const PARTITIONS: NonZeroU16 = NonZeroU16::new(16).unwrap();
/// Stock of the product that is never sold out.
const STOCK: u64 = 1_000_000;
/// Stock of the product that is soon sold out.
const SCARCE: u64 = 20;
const CLIENTS: usize = 4;

/// A running system with clients for its services and its stores.
struct Arena {
    system: System,
    inventory: Store,
    payments: Store,
    http: Client,
    thing: String,
    scarce: String,
}

impl Arena {
    async fn open(env: &[(&str, &str)]) -> Self {
        let mut all = vec![("COMPLETION_DELAY", "100ms"), ("RECLAIM_IDLE", "1s")];
        all.extend(env);
        let builder = System::builder().topology(Topology::CLUSTER).envs(&all);
        let system = builder.start().await.unwrap();
        system.start_replicas(&Role::ALL, 2).await.unwrap();
        let partitions = Partitions::new(PARTITIONS);
        let store = |store| Store::of(system.store(store).operator().unwrap(), partitions);
        let (inventory, payments) = (
            store(redis::Owner::Inventory),
            store(redis::Owner::Payments),
        );
        let http = client();
        let (thing, scarce) = (String::new(), String::new());
        let mut arena = Self {
            system,
            inventory,
            payments,
            http,
            thing,
            scarce,
        };
        arena.thing = arena.create("thing", STOCK).await;
        arena.scarce = arena.create("scarce", SCARCE).await;
        arena
    }

    fn url(&self, member: &str, path: &str) -> String {
        format!("{}{path}", self.system.url(member))
    }

    async fn create(&self, name: &str, quantity: u64) -> String {
        let body = json!({"name": name, "price": "2.50", "quantity": quantity});
        let request = self
            .http
            .post(self.url("inventory serve", "/products"))
            .json(&body);
        Answer::patiently(request).await.expect(201).text("id")
    }

    fn order(&self, member: &str, product: &str) -> RequestBuilder {
        let body = json!({"product_id": product, "quantity": 1});
        self.http.post(self.url(member, "/orders")).json(&body)
    }

    /// Clients that order both products at both processes.
    fn traffic(&self) -> [Traffic; 2] {
        [
            ("payments serve", &self.thing),
            ("payments serve 2", &self.scarce),
        ]
        .map(|(member, id)| {
            let service = self.system.process(member);
            Traffic::repeat(&self.order(member, id), &service, CLIENTS)
        })
    }

    /// All orders, newest first, once no work is left.
    async fn wait_drained(&self) -> Vec<Value> {
        self.system.wait_running_ready().await.unwrap();
        wait_drained(&self.inventory, &self.payments).await;
        assert_eq!(self.inventory.dead_letters().await, []);
        assert_eq!(self.payments.dead_letters().await, []);
        let page = |path: &str| self.http.get(self.url("payments serve 2", path));
        let page = async |path: &str| Answer::patiently(page(path)).await;
        pages(page, "/orders?limit=100").await
    }

    async fn stock(&self, product: &str) -> u64 {
        let product = self
            .http
            .get(self.url("inventory serve", &format!("/products/{product}")));
        Answer::patiently(product).await.expect(200).json()["quantity"]
            .as_u64()
            .unwrap()
    }

    /// Ends the traffic, waits until no work is left, and asserts that each order was done once.
    /// Answers the number of orders.
    async fn settle(&self, traffic: [Traffic; 2]) -> usize {
        let mut accepted = Vec::new();
        for traffic in traffic {
            accepted.extend(traffic.stop().await);
        }
        let orders = self.wait_drained().await;
        let text = |order: &Value, name: &str| order[name].as_str().unwrap().to_owned();
        let place = |order: &Value| (text(order, "created_at"), text(order, "id"));
        let newest_first = orders.is_sorted_by(|a, b| place(a) > place(b));
        assert!(newest_first, "newest first, of all partitions");
        let found: HashSet<OrderId> = orders
            .iter()
            .map(|order| text(order, "id").parse().unwrap())
            .collect();
        assert_eq!(found.len(), orders.len(), "each order is listed once");
        let lost: Vec<_> = accepted
            .iter()
            .filter(|order| !found.contains(&order.id))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert_eq!(orders.len(), accepted.len(), "one order for each key");

        let of = |product: &str| -> Vec<Value> {
            let wanted = |order: &&Value| order["product_id"] == product;
            orders.iter().filter(wanted).cloned().collect()
        };
        let (things, scarce) = (of(&self.thing), of(&self.scarce));
        assert_eq!(count(&things, "paid"), things.len());
        assert_eq!(self.stock(&self.thing).await, STOCK - things.len() as u64);
        let sold = scarce.len().min(usize::try_from(SCARCE).unwrap());
        assert_eq!(count(&scarce, "paid"), sold);
        assert_eq!(count(&scarce, "refunded"), scarce.len() - sold);
        assert_eq!(self.stock(&self.scarce).await, SCARCE - sold as u64);
        for (product, sales) in [(&self.thing, things.len()), (&self.scarce, sold)] {
            let partition = self
                .inventory
                .partitions
                .of(product.parse::<ProductId>().unwrap());
            let movements = partition.key_of("movements", product);
            assert_eq!(self.inventory.length(&movements).await, 1 + sales as u64);
        }
        orders.len()
    }
}

#[tokio::test]
async fn on_clusters_processes_share_the_partitions_and_take_over_from_one_that_stops() {
    let arena = Arena::open(&[]).await;
    let traffic = arena.traffic();
    for traffic in &traffic {
        traffic.more(100).await;
    }
    arena.system.process("inventory consume").kill();
    arena.system.process("payments consume 2").kill();
    for traffic in &traffic {
        traffic.more(100).await;
    }
    arena
        .system
        .start_replicas(&[Role::InventoryConsume], 3)
        .await
        .unwrap();
    let orders = arena.settle(traffic).await;
    eprintln!("{orders} orders");
    for partition in arena.payments.partitions.all() {
        let stream = partition.key(OrderCompleted::STREAM);
        assert!(arena.payments.length(&stream).await > 0, "{stream} is idle");
    }
}

#[tokio::test]
async fn with_replica_acks_no_order_is_lost_when_primaries_of_a_cluster_are_killed() {
    let acks = [("REPLICA_ACKS", "1"), ("REPLICA_ACK_TIMEOUT", "500ms")];
    let arena = Arena::open(&acks).await;
    let traffic = arena.traffic();
    traffic[0].more(100).await;
    for store in [redis::Owner::Payments, redis::Owner::Inventory] {
        let cluster = arena.system.store(store).cluster();
        let slot = cluster.slot_of("{3}").await.unwrap();
        let old = cluster.primary_of(slot).await.unwrap();
        let began = Instant::now();
        cluster.node(old).kill();
        cluster.wait_failover(slot, old).await.unwrap();
        let promoted = began.elapsed();
        cluster.bring_back(old).await.unwrap();
        traffic[0].more(1).await;
        eprintln!(
            "promoted after {promoted:?}, an order accepted after {:?}",
            began.elapsed()
        );
        traffic[0].more(100).await;
    }
    let orders = arena.settle(traffic).await;
    eprintln!("{orders} orders");
}
