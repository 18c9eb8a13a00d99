//! Which dead letters leave the store, and which stay.

use std::time::Duration;

use proof::shim;
use shared::redis::{Command, Entry};
use shared::stream::dead_letter::{self, Bounds, Caretaker};
use stack::redis::Overrides;
use stack::wait::eventually;

use crate::dead_letters::{Log, flood, letters, names};
use crate::harness::{Stores, calls, field, partition};
use crate::script::Script;

const HOUR: Duration = Duration::from_hours(1);
const MONTH: Duration = Duration::from_hours(31 * 24);
/// Bytes of a dead letter of an older build, which kept the whole entry.
const LARGE: usize = 2_000_000;
/// This many of them are too large for one answer on a connection.
const LARGE_COUNT: usize = 36;

#[tokio::test]
async fn dead_letters_leave_when_two_looks_find_them_much_older_than_the_newest_one() {
    let stores = Stores::start().await;
    Log::start();
    let old = "dl_reason old dl_entry_id 1-0 dl_digest d x y".split(' ');
    let add = Command::new("XADD")
        .key("dead_letters")
        .arg("1000-0")
        .args(old);
    stores.operate(add).await;
    let name = Command::new("HSET")
        .key("dead_letter_ids")
        .arg("1-0 d")
        .arg("1000-0");
    stores.operate(name).await;
    let script = Script::default();
    let ids = flood(&stores, 2).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let caretaker = Caretaker::new(
        Bounds {
            age: HOUR,
            ..Bounds::SHIPPED
        },
        Duration::ZERO,
    );
    caretaker.tend(&stores.own_store()).await.unwrap();
    assert_eq!(letters(&stores).await.len(), 3, "after one look");
    caretaker.tend(&stores.own_store()).await.unwrap();
    let letters = letters(&stores).await;
    let kept: Vec<&str> = letters
        .iter()
        .map(|letter| field(letter, "dl_entry_id"))
        .collect();
    assert_eq!(kept, ids);
    assert_eq!(names(&stores).await, 2);
}

#[tokio::test]
async fn a_clock_that_was_a_month_ahead_for_a_moment_removes_no_dead_letter() {
    let shimmed = Overrides {
        environment: Some(shim::environment()),
        ..Overrides::default()
    };
    let stores = Stores::start_with(shimmed).await;
    Log::start();
    let own = stores.own_store();
    let set_clock = async |offset: Duration| {
        let millis = i64::try_from(offset.as_millis()).unwrap();
        shim::offset_clock(stores.own.dir(), millis).unwrap();
        let real = stores.owner_of_stream();
        eventually("the other clock", async || {
            let now = own.now(partition()).await.unwrap();
            let expected = real.now(partition()).await.unwrap().later_by(offset);
            now <= expected.later_by(HOUR) && expected <= now.later_by(HOUR)
        })
        .await;
    };
    let look = async |caretaker: &Caretaker, what: &str, count: usize| {
        for _ in 0..3 {
            caretaker.tend(&own).await.unwrap();
            assert_eq!(letters(&stores).await.len(), count, "{what}");
        }
    };
    let script = Script::default();
    let _running = stores.consume("one", &script);
    let caretaker = Caretaker::new(Bounds::SHIPPED, Duration::ZERO);
    flood(&stores, 1).await;
    stores.wait_settled().await;
    look(&caretaker, "before", 1).await;

    set_clock(MONTH).await;
    flood(&stores, 1).await;
    stores.wait_settled().await;
    look(&caretaker, "a month ahead", 2).await;
    let restarted = Caretaker::new(Bounds::SHIPPED, dead_letter::REPORT_INTERVAL / 2);
    look(&restarted, "a month ahead, after a restart", 2).await;

    set_clock(Duration::ZERO).await;
    flood(&stores, 1).await;
    stores.wait_settled().await;
    for caretaker in [
        caretaker,
        restarted,
        Caretaker::new(Bounds::SHIPPED, Duration::ZERO),
    ] {
        look(&caretaker, "the clock is right again", 3).await;
    }
}

#[tokio::test]
async fn the_bytes_of_dead_letters_are_bounded_where_the_oldest_are_small_and_the_others_large() {
    const BYTES: u64 = 1024 * 1024;
    const SIZE: usize = 60_000;
    let stores = Stores::start().await;
    Log::start();
    for size in [[10; 40], [SIZE; 40]].concat() {
        add(&stores, &"x".repeat(size)).await;
    }
    let bounds = Bounds {
        bytes: BYTES,
        ..Bounds::SHIPPED
    };
    Caretaker::new(bounds, HOUR)
        .tend(&stores.own_store())
        .await
        .unwrap();
    let usage = Command::new("MEMORY")
        .arg("USAGE")
        .key("dead_letters")
        .args(["SAMPLES", "0"]);
    let usage = stores.operate(usage).await.unsigned().unwrap();
    let one = u64::try_from(SIZE).unwrap() * 2;
    assert!((BYTES - one..=BYTES).contains(&usage), "{usage} bytes");
}

#[tokio::test]
async fn entries_are_parked_and_acknowledged_although_no_dead_letter_can_leave() {
    let mut stores = Stores::start().await;
    Log::start();
    stores.bounds = Bounds {
        count: 1,
        ..Bounds::SHIPPED
    };
    grant(&stores, "-xtrim").await;
    let script = Script::default();
    flood(&stores, 10).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(letters(&stores).await.len(), 10);
    grant(&stores, "+xtrim").await;
    Caretaker::new(stores.bounds, HOUR)
        .tend(&stores.own_store())
        .await
        .unwrap();
    assert_eq!((letters(&stores).await.len(), names(&stores).await), (1, 1));
}

#[tokio::test]
async fn large_dead_letters_of_older_builds_are_listed_and_leave_whole() {
    let stores = Stores::start().await;
    let log = Log::start();
    add(&stores, "small").await;
    let value = |number: usize| format!("{number} {}", "x".repeat(LARGE));
    for number in 0..LARGE_COUNT {
        let id = add(&stores, &value(number)).await;
        let fields = vec![("value".into(), value(number).into())];
        let entry = Entry {
            id: "7-0".to_owned(),
            fields: Some(fields),
            cut: None,
        };
        let name = format!("7-0 {}", entry.digest());
        let name = Command::new("HSET")
            .key("dead_letter_ids")
            .arg(name)
            .arg(id);
        stores.operate(name).await;
    }
    let mut lines = Vec::new();
    let show = |line| {
        lines.push(line);
        Ok(())
    };
    dead_letter::list(&stores.own_store(), 1_000, show)
        .await
        .unwrap();
    let whole = |line: &String| line.len() > LARGE;
    assert_eq!(lines.iter().filter(|line| whole(line)).count(), LARGE_COUNT);

    let count = u64::try_from(LARGE_COUNT).unwrap() - 2;
    let bounds = Bounds {
        count,
        bytes: u64::MAX,
        ..Bounds::SHIPPED
    };
    Caretaker::new(bounds, HOUR)
        .tend(&stores.own_store())
        .await
        .unwrap();
    let length = Command::new("XLEN").key("dead_letters");
    assert_eq!(stores.operate(length).await.unsigned().unwrap(), count);
    assert_eq!(
        names(&stores).await,
        LARGE_COUNT - 2,
        "the names of what left are known"
    );
    for number in 0..2 {
        assert!(
            log.letters()
                .iter()
                .any(|letter| letter.contains(&value(number))),
            "{number}"
        );
    }
}

#[tokio::test]
async fn a_name_that_stays_is_looked_for_once() {
    let stores = Stores::start().await;
    let script = Script::default();
    flood(&stores, 10).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let letters = letters(&stores).await;
    let remove = async |number: usize| {
        let remove = Command::new("XDEL")
            .key("dead_letters")
            .arg(letters[number].id.as_str());
        stores.operate(remove).await;
    };
    let caretaker = Caretaker::new(Bounds::SHIPPED, HOUR);
    // First one from the middle, then the oldest. Names that are older than all dead letters are
    // removed.
    for (number, scans, kept) in [(4, 1, 10), (0, 2, 9)] {
        remove(number).await;
        for _ in 0..3 {
            caretaker.tend(&stores.own_store()).await.unwrap();
            assert_eq!(
                (calls(&stores.operator, "hscan").await, names(&stores).await),
                (scans, kept)
            );
        }
    }
}

/// Adds a dead letter of an older build, which kept the whole entry and no digest.
async fn add(stores: &Stores, value: &str) -> String {
    let known = "dl_reason r dl_error e dl_stream s dl_entry_id 7-0 dl_group g dl_consumer c";
    let add = Command::new("XADD")
        .key("dead_letters")
        .arg("*")
        .args(known.split(' '))
        .args(["dl_attempts", "1", "value", value]);
    stores.operate(add).await.text().unwrap()
}

/// Changes the permissions of the service in its own store.
async fn grant(stores: &Stores, rule: &'static str) {
    let grant = Command::new("ACL").args(["SETUSER", "inventory", rule]);
    stores.operate(grant).await;
}
