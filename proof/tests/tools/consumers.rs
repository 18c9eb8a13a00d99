//! Readers in three other languages sum the revenue of each product, and nothing is counted twice.
//! Each knows `docs/events.md` and shares no code with the services.

use std::path::PathBuf;
use std::time::Duration;

use stack::project;
use tokio::process::Command;

use crate::program::{installed, on_path, run};
use shop::{STREAM, Shop};

mod shop;

/// A reader in one language: how its program is started, and its group.
struct Reader {
    program: PathBuf,
    args: Vec<PathBuf>,
    env: Vec<(String, String)>,
    group: &'static str,
}

/// Longer than a read of a reader waits for a new entry.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Every fault that a reader has to survive, one after the other. After each of them the reader has
/// counted what payments charged.
async fn sums_exactly(reader: Reader) {
    let shop = Box::pin(Shop::open(reader)).await;
    let mut products = Vec::new();
    for quantity in [1_000, 1_000, 3] {
        products.push(shop.product(quantity).await);
    }
    shop.order(&products, 5).await;
    shop.one.restart().unwrap();
    shop.wait_settled().await;

    dies_before_the_acknowledgement(&shop, &products).await;
    gets_odd_entries(&shop).await;
    loses_a_pending_entry(&shop, &products).await;
    loses_its_stores_and_its_group(&shop, &products).await;

    for process in [&shop.one, &shop.two] {
        let status = process.stop(STOP_LIMIT).await.unwrap();
        assert_eq!(status.code(), Some(0), "{:?}", process.last_lines(20));
    }
}

/// Another process takes over; the next time, the process itself goes on.
async fn dies_before_the_acknowledgement(shop: &Shop, products: &[String]) {
    for (dies, lives) in [(&shop.one, &shop.two), (&shop.two, &shop.two)] {
        shop.count_without_acknowledging(products, 3).await;
        dies.kill();
        shop.may_acknowledge("+xack").await;
        lives.restart().unwrap();
        shop.wait_settled().await;
    }
}

/// Events arrive a second time under new ids, and so do entries that are no events.
async fn gets_odd_entries(shop: &Shop) {
    shop.one.restart().unwrap();
    let entries = shop.entries().await;
    for (_, fields) in entries.iter().take(10) {
        shop.add(fields).await;
    }
    let wrong = [
        ("total", "1e3"),
        ("ce_type", "order.completed.v2"),
        ("ce_id", ""),
    ];
    for (field, value) in wrong {
        let mut fields = entries[0].1.clone();
        for (name, found) in &mut fields {
            if name == field {
                value.clone_into(found);
            }
        }
        shop.add(&fields).await;
    }
    shop.wait_settled().await;
    assert_eq!(shop.dead_letters().await, wrong.len());
}

/// The entry was counted, and is removed from the stream before its acknowledgement.
async fn loses_a_pending_entry(shop: &Shop, products: &[String]) {
    shop.count_without_acknowledging(&products[..1], 1).await;
    shop.one.kill();
    shop.two.kill();
    let (last, _) = shop.entries().await.pop().unwrap();
    let remove = ["XDEL", STREAM, &last];
    let removed: u64 = shop.payments.ask(&remove).await.unwrap();
    assert_eq!(removed, 1);
    shop.may_acknowledge("+xack").await;
    shop.one.restart().unwrap();
    shop.two.restart().unwrap();
    shop.order(products, 2).await;
    shop.wait_settled().await;
}

async fn loses_its_stores_and_its_group(shop: &Shop, products: &[String]) {
    shop.system.payments_redis().kill();
    shop.own_server.kill();
    shop.system.payments_redis().restart().await.unwrap();
    shop.own_server.restart().await.unwrap();
    shop.system.wait_ready().await.unwrap();
    shop.order(products, 2).await;
    shop.wait_settled().await;

    let destroy = ["XGROUP", "DESTROY", STREAM, shop.group];
    let destroyed: u64 = shop.payments.ask(&destroy).await.unwrap();
    assert_eq!(destroyed, 1);
    shop.order(products, 2).await;
    shop.wait_group().await;
    shop.wait_settled().await;
}

fn consumers(path: &str) -> PathBuf {
    project::root().join("examples/consumers").join(path)
}

fn path(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

#[tokio::test]
async fn a_reader_in_python_sums_the_revenue_exactly() {
    let env = ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
    let reader = Reader {
        program: installed("venv/bin/python"),
        args: vec![consumers("python/revenue.py")],
        env: vec![env],
        group: "revenue-python",
    };
    Box::pin(sums_exactly(reader)).await;
}

#[tokio::test]
async fn a_reader_in_javascript_sums_the_revenue_exactly() {
    let env = ("NODE_PATH".to_owned(), path(installed("node_modules")));
    let reader = Reader {
        program: on_path(&["node", "nodejs"]),
        args: vec![consumers("node/revenue.js")],
        env: vec![env],
        group: "revenue-node",
    };
    Box::pin(sums_exactly(reader)).await;
}

/// It is compiled with the packages of Debian: `golang-go`, `golang-github-gomodule-redigo-dev`.
#[tokio::test]
async fn a_reader_in_go_sums_the_revenue_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("revenue");
    let mut build = Command::new(on_path(&["go"]));
    build
        .current_dir(consumers("go"))
        .args(["build", "-o"])
        .arg(&program)
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOCACHE", project::data_dir().join("tools/go-cache"));
    run(build).await;
    let reader = Reader {
        program,
        args: Vec::new(),
        env: Vec::new(),
        group: "revenue-go",
    };
    Box::pin(sums_exactly(reader)).await;
}
