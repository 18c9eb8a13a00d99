//! Many dead letters: the consumer parks entries in batches, and the store keeps a bounded number
//! of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::join_all;
use shared::base::config::Reader;
use shared::base::shutdown::Shutdown;
use shared::base::telemetry::{self, LogFormat};
use shared::redis::{Command, Entry};
use shared::service::process::Process;
use shared::service::settings::{Defaults, ServiceSettings};
use shared::stream::consumer::Settings;
use shared::stream::dead_letter::{Bounds, Dead};
use stack::wait::eventually;
use tempfile::NamedTempFile;

use crate::harness::{STREAM, Stores, calls, entries, field};
use crate::opening::witness;
use crate::script::{DONE, Script};

/// Unreadable entries of a flood.
const FLOOD: usize = 20_000;

#[tokio::test]
async fn a_flood_of_unreadable_entries_is_parked_in_batches_and_the_good_one_is_settled() {
    let stores = Stores::start().await;
    let script = Script::default();
    flood(&stores, FLOOD).await;
    stores.emit([DONE]).await;
    let _running = stores.consume("one", &script);
    let done = || async { script.times(DONE) == [1] };
    eventually("the good one", done).await;
    assert_eq!(
        Dead::of(&stores.own_store()).await.unwrap().count,
        FLOOD as u64
    );
    assert_eq!(names(&stores).await, FLOOD);
    // A flood is fast because it takes few calls, on any machine. A read has up to 100 entries,
    // other commands up to 500. While the last entries are settled, some reads find nothing.
    let flood = FLOOD as u64;
    for (command, most) in [
        ("xreadgroup", flood / 100 + 30),
        ("hmget", flood / 300),
        ("hset", flood / 300),
        ("xack", flood / 300),
        ("xinfo|stream", flood / 100),
    ] {
        let (own, other) = (
            calls(&stores.operator, command),
            calls(&stores.emitter, command),
        );
        let calls = own.await + other.await;
        assert!(calls <= most, "{calls} calls of {command}, at most {most}");
    }
}

#[tokio::test]
async fn entries_that_are_delivered_again_are_not_parked_again() {
    let stores = Stores::start().await;
    let script = Script::default();
    flood(&stores, 700).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let destroy = Command::new("XGROUP")
        .arg("DESTROY")
        .key(STREAM)
        .arg(crate::harness::GROUP);
    stores.emitter.run(destroy).await.unwrap();
    flood(&stores, 1).await;
    stores.wait_settled().await;
    assert_eq!(
        (letters(&stores).await.len(), names(&stores).await),
        (701, 701)
    );
}

#[tokio::test]
async fn the_oldest_dead_letters_leave_the_store_where_there_are_too_many() {
    let mut stores = Stores::start().await;
    let log = Log::start();
    stores.bounds = Bounds {
        count: 100,
        ..Bounds::SHIPPED
    };
    let script = Script::default();
    let ids = flood(&stores, 1_000).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let letters = letters(&stores).await;
    let kept: Vec<&str> = letters
        .iter()
        .map(|letter| field(letter, "dl_entry_id"))
        .collect();
    assert_eq!(kept, ids[900..]);
    assert_eq!(names(&stores).await, 100);
    let log = log.text();
    assert!(
        ids[..900]
            .iter()
            .all(|id| log.contains(&format!(r#"\"dl_entry_id\",\"{id}\""#)))
    );
}

#[tokio::test]
async fn dead_letters_are_bounded_in_bytes_too() {
    const BYTES: u64 = 256 * 1024;
    let mut stores = Stores::start().await;
    Log::start();
    stores.bounds = Bounds {
        bytes: BYTES,
        ..Bounds::SHIPPED
    };
    let script = Script::default();
    for _ in 0..60 {
        let value = vec![b'x'; 20_000];
        let add = Command::new("XADD")
            .key(STREAM)
            .arg("*")
            .arg("large")
            .arg(&value[..]);
        stores.emitter.run(add).await.unwrap();
    }
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let usage = Command::new("MEMORY").arg("USAGE").key("dead_letters");
    let usage = stores.operate(usage).await.unsigned().unwrap();
    assert!(usage <= BYTES, "{usage} bytes");
    assert!((1..60).contains(&names(&stores).await));
}

/// If a person takes a dead letter out of the store, its name goes too.
#[tokio::test]
async fn dead_letters_are_logged_again_and_names_without_a_letter_are_forgotten() {
    const LETTERS: usize = 7;
    let log = Log::start();
    let stores = Stores::start().await;
    let (store, stop) = (stores.own_store(), Shutdown::new());
    let mut process = Process::new(stop.clone());
    process.open_store(&store, witness(&stores));
    let report_interval = Duration::from_millis(1_100);
    let settings = Settings {
        report_interval,
        ..stores.settings("one")
    };
    process.consume(&Script::default(), &store, &settings);
    let test = async {
        let opened = || async { store.has_identity().await.unwrap_or(false) };
        eventually("the store to be open", opened).await;
        flood(&stores, 2 * LETTERS).await;
        stores.wait_parked(2 * LETTERS).await;
        let trim = Command::new("XTRIM")
            .key("dead_letters")
            .arg("MAXLEN")
            .arg("7");
        stores.operate(trim).await;
        let forgotten = || async { names(&stores).await == LETTERS };
        eventually("names to be forgotten", forgotten).await;
        let told = format!("\"dead_letters\":{LETTERS},");
        let is_told = || async { log.text().matches(&told).count() >= 2 };
        eventually("two lines about them", is_told).await;
        assert!(log.text().contains("`test dead-letters` lists them"));
        stop.cancel();
    };
    let common = common();
    let address = "127.0.0.1:0".parse().unwrap();
    let (served, ()) = tokio::join!(process.serve_probes(&common, &address), test);
    served.unwrap();
}

/// The log of this process: dead letters that leave a store are written to it.
pub(crate) struct Log(NamedTempFile);

impl Log {
    pub(crate) fn start() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let file = NamedTempFile::new().unwrap();
            let filter = "dead_letter=warn,shared::stream::dead_letter::caretaker=error"
                .parse()
                .unwrap();
            telemetry::init_to(file.as_file(), LogFormat::Json, &filter, false).unwrap();
            Self(file)
        })
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.0.path()).unwrap()
    }

    /// The fields of each dead letter in the log.
    pub(crate) fn letters(&self) -> Vec<String> {
        let mut letters: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
        for line in self.text().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            if let (Some(id), Some(piece)) = (text("dead_letter"), line["piece"].as_u64()) {
                letters
                    .entry(id)
                    .or_default()
                    .insert(piece, text("fields").unwrap());
            }
        }
        letters
            .into_values()
            .map(|pieces| pieces.into_values().collect())
            .collect()
    }
}

/// The settings of a process that answers probes on a free port.
fn common() -> ServiceSettings {
    let defaults = Defaults {
        service: "test",
        commit: "none",
        http_addr: "127.0.0.1:0",
    };
    ServiceSettings::read(&mut Reader::from_source(|_| None), defaults).unwrap()
}

/// Adds malformed entries, and answers their ids.
pub(crate) async fn flood(stores: &Stores, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let added = join_all((ids.len()..count.min(ids.len() + 1_000)).map(|number| {
            let add = Command::new("XADD")
                .key(STREAM)
                .arg("*")
                .arg("no")
                .arg(number.to_string());
            stores.emitter.run(add)
        }));
        ids.extend(
            added
                .await
                .into_iter()
                .map(|id| id.unwrap().text().unwrap()),
        );
    }
    ids
}

pub(crate) async fn letters(stores: &Stores) -> Vec<Entry> {
    entries(&stores.operator, "dead_letters").await
}

/// The number of names of dead letters.
pub(crate) async fn names(stores: &Stores) -> usize {
    let names = Command::new("HLEN").key("dead_letter_ids");
    let count = stores.operate(names).await.unsigned().unwrap();
    usize::try_from(count).unwrap()
}
