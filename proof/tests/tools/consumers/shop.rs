//! A running system, and the two processes of a reader in another language.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use stack::binaries;
use stack::client::{Answer, client};
use stack::credentials::User;
use stack::guard::Farewell;
use stack::operator::Operator;
use stack::process::{Launch, Process};
use stack::project;
use stack::redis::{Owner, RedisOptions, RedisServer};
use stack::system::System;
use stack::wait::eventually;
use tempfile::TempDir;

use super::Reader;
use crate::browser::LIMIT;

/// A running system with two processes of a reader, and the store in which the reader counts.
pub(super) struct Shop {
    pub(super) system: System,
    http: Client,
    /// The operator of the store with the stream.
    pub(super) payments: Operator,
    /// The operator of the store of the reader.
    own: Operator,
    pub(super) own_server: RedisServer,
    pub(super) group: &'static str,
    pub(super) one: Process,
    pub(super) two: Process,
    _dir: TempDir,
}

/// Whole minor units for each product.
type Revenue = BTreeMap<String, u64>;

pub(super) const STREAM: &str = "order_completed";
const PASSWORD: &str = "a-password-of-the-test";
impl Shop {
    pub(super) async fn open(reader: Reader) -> Self {
        let system = System::builder()
            .envs(&[("COMPLETION_DELAY", "100ms"), ("PRODUCT_CACHE_TTL", "0")])
            .redis("appendfsync", "no");
        let system = system.start().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let options = RedisOptions::private(Owner::Payments, dir.path().join("revenue"));
        let own_server = RedisServer::start(options.await.unwrap()).await.unwrap();
        let payments = Operator::of(system.payments_redis()).unwrap();
        for line in commands("operator> ") {
            let line = line.replace("CHOOSE_A_PASSWORD", PASSWORD);
            let words: Vec<&str> = line.split(' ').collect();
            payments.ask::<()>(&words).await.unwrap();
        }
        let port = system.payments_redis().port();
        let guard = binaries::shared().unwrap().guard(Farewell::Kill);
        let process = |name: &str| {
            let settings = [
                (
                    "PAYMENTS_REDIS_URL",
                    format!("redis://revenue:{PASSWORD}@127.0.0.1:{port}"),
                ),
                ("REVENUE_REDIS_URL", own_server.url(User::Operator)),
                ("CONSUMER_NAME", name.to_owned()),
                ("RECLAIM_IDLE_MS", "1000".to_owned()),
            ];
            let settings = settings.map(|(name, value)| (name.to_owned(), value));
            let launch = Launch {
                name: format!("{} {name}", reader.group),
                program: reader.program.clone(),
                args: reader.args.iter().map(Into::into).collect(),
                env: settings.into_iter().chain(reader.env.clone()).collect(),
                env_remove: Vec::new(),
            };
            Process::prepare(launch, guard.clone(), None)
        };
        Self {
            one: process("one"),
            two: process("two"),
            http: client(LIMIT).unwrap(),
            own: Operator::of(&own_server).unwrap(),
            group: reader.group,
            system,
            payments,
            own_server,
            _dir: dir,
        }
    }

    pub(super) async fn product(&self, quantity: u32) -> String {
        let body = json!({"name": "Espresso beans 1 kg", "price": "19.99", "quantity": quantity});
        let url = format!("{}/products", self.system.inventory_url());
        Answer::patiently(self.http.post(url).json(&body))
            .await
            .created_id()
    }

    /// Places orders of 1, 2, ... `count` pieces of each product, and waits until each is paid.
    pub(super) async fn order(&self, products: &[String], count: u32) {
        let url = format!("{}/orders", self.system.payments_url());
        let pairs = products
            .iter()
            .flat_map(|id| (1..=count).map(move |quantity| (id, quantity)));
        join_all(pairs.map(|(id, quantity)| {
            let body = json!({"product_id": id, "quantity": quantity});
            Answer::patiently(self.http.post(&url).json(&body))
        }))
        .await
        .iter()
        .for_each(|answer| drop(answer.created_id()));
        let pending = format!("{url}?status=pending");
        eventually("the payment of all orders", async || {
            let pending = Answer::patiently(self.http.get(&pending)).await;
            pending.expect(200).items().is_empty()
        })
        .await;
    }

    /// What payments says that it charged for each product: all orders, also those that it refunded.
    pub(super) async fn charged(&self) -> Revenue {
        let mut page = Some("/orders?limit=100".to_owned());
        let mut charged = Revenue::new();
        while let Some(path) = page {
            let url = format!("{}{path}", self.system.payments_url());
            let orders = Answer::patiently(self.http.get(url)).await.expect(200);
            for order in orders.items() {
                assert_ne!(order["status"], "pending", "{order}");
                *charged.entry(text(&order, "product_id")).or_default() += minor(&order["total"]);
            }
            page = orders.next_page();
        }
        let account = ["HGET", "account", "charged"];
        let account: u64 = self.payments.insist(&account, LIMIT).await.unwrap();
        assert_eq!(account, charged.values().sum::<u64>());
        charged
    }

    /// What the reader has counted.
    pub(super) async fn counted(&self) -> Revenue {
        let counted = self.own.insist(&["HGETALL", "revenue"], LIMIT);
        counted.await.unwrap()
    }

    /// Waits until the reader has made its group again.
    pub(super) async fn wait_group(&self) {
        eventually("the group", async || self.group().await.is_some()).await;
    }

    async fn group(&self) -> Option<BTreeMap<String, redis::Value>> {
        let groups = self.payments.insist(&["XINFO", "GROUPS", STREAM], LIMIT);
        let groups: Vec<BTreeMap<String, redis::Value>> = groups.await.unwrap();
        let name = redis::Value::BulkString(self.group.into());
        let mut groups = groups.into_iter();
        groups.find(|group| group["name"] == name)
    }

    /// The reader loses the right to acknowledge, and counts at least one of these orders.
    pub(super) async fn count_without_acknowledging(&self, products: &[String], count: u32) {
        self.may_acknowledge("-xack").await;
        let before = self.counted().await;
        self.order(products, count).await;
        eventually("more revenue", async || self.counted().await != before).await;
    }

    /// Waits until the group has acknowledged every entry of the stream. Nothing is missing then, and
    /// nothing was counted twice.
    pub(super) async fn wait_settled(&self) {
        eventually("the end of all entries", async || {
            self.group().await.is_some_and(|group| {
                let zero = redis::Value::Int(0);
                ["pending", "lag"].iter().all(|field| group[*field] == zero)
            })
        })
        .await;
        assert_eq!(self.counted().await, self.charged().await);
    }

    /// The user of the readers gets or loses the right to acknowledge.
    pub(super) async fn may_acknowledge(&self, right: &str) {
        let words = ["ACL", "SETUSER", "revenue", right];
        self.payments.ask::<()>(&words).await.unwrap();
    }

    /// Adds an entry, as an operator would.
    pub(super) async fn add(&self, fields: &[(String, String)]) {
        let pairs = fields
            .iter()
            .flat_map(|(name, value)| [name.as_str(), value]);
        let words: Vec<&str> = ["XADD", STREAM, "*"].into_iter().chain(pairs).collect();
        self.payments.ask::<String>(&words).await.unwrap();
    }

    pub(super) async fn entries(&self) -> Vec<(String, Vec<(String, String)>)> {
        self.payments
            .ask(&["XRANGE", STREAM, "-", "+"])
            .await
            .unwrap()
    }

    pub(super) async fn dead_letters(&self) -> usize {
        self.own.ask(&["XLEN", "dead_letters"]).await.unwrap()
    }
}

impl Drop for Shop {
    /// Shows what the readers wrote if the test fails, because the reason is often there.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in [&self.one, &self.two] {
                eprintln!(
                    "--- {}\n{}",
                    process.name(),
                    process.last_lines(20).join("\n")
                );
            }
        }
    }
}

/// The commands of `docs/events.md` that begin so, without their prompt.
fn commands(beginning: &str) -> Vec<String> {
    let page = std::fs::read_to_string(project::root().join("docs/events.md")).unwrap();
    let lines = page
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(beginning));
    lines
        .map(|line| line.split_once("> ").unwrap().1.to_owned())
        .collect()
}

fn text(order: &Value, field: &str) -> String {
    order[field].as_str().unwrap().to_owned()
}

/// An amount of the API in minor units. It has two decimals, so its shortest notation is exact.
fn minor(amount: &Value) -> u64 {
    let text = format!("{:.2}", amount.as_f64().unwrap());
    text.replace('.', "").parse().unwrap()
}
