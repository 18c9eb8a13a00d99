//! The function libraries of builds that are gone.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use shared::base::shutdown::Shutdown;
use shared::redis::{Command, Redis};
use shared::store::function::Call;
use shared::store::libraries::UNUSED_AFTER;
use shared::store::partition::{Partition, Partitions};
use shared::store::{Layout, Store, Taken};
use stack::credentials::User;

use crate::harness::{Stores, partition, url};
use crate::opening::witness;

/// Builds from before layouts, of this service and of another one, and another program.
const OLD: &str = "test_v1";
const GONE: &str = "test_0123456789ab";
const OF_OTHERS: [&str; 3] = ["other_v1", "other_0123456789ab", "test_reports"];

async fn ask(stores: &Stores, name: &'static str, words: &[&str]) {
    stores
        .operator
        .run(Command::new(name).args(words.iter().copied()))
        .await
        .unwrap();
}

async fn load(stores: &Stores, library: &str) {
    let code = format!("#!lua name={library}\nredis.register_function('f_{library}', print)");
    let code = code.replace("print", "function() return 1 end");
    ask(stores, "FUNCTION", &["LOAD", "REPLACE", &code]).await;
}

async fn libraries(stores: &Stores) -> BTreeSet<String> {
    let list = stores
        .operator
        .run(Command::new("FUNCTION").arg("LIST"))
        .await
        .unwrap();
    let name = |library: shared::redis::Reply| library.field("library_name").unwrap().text();
    list.list()
        .unwrap()
        .into_iter()
        .map(|library| name(library).unwrap())
        .collect()
}

/// Makes a library look as if nobody had used it for a little less, or more, than the limit.
async fn seen(stores: &Stores, library: &str, more: bool) {
    seen_at(stores, "libraries", library, more).await;
}

async fn seen_at(stores: &Stores, key: &str, library: &str, more: bool) {
    let now = stores
        .own_store()
        .now(partition())
        .await
        .unwrap()
        .as_millis();
    let limit = u64::try_from(UNUSED_AFTER.as_millis()).unwrap();
    let at = now - limit + if more { 0 } else { 60_000 } - 1;
    ask(stores, "HSET", &[key, library, &at.to_string()]).await;
}

#[tokio::test]
async fn functions_that_no_build_has_used_for_an_hour_are_removed_and_no_others() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    store
        .open(&witness(&stores), &Shutdown::new())
        .await
        .unwrap();
    for library in [OLD, GONE].iter().chain(&OF_OTHERS) {
        load(&stores, library).await;
    }
    let all = libraries(&stores).await;
    // Not known so far, so they may be in use.
    store.tend_libraries().await.unwrap();
    assert_eq!(libraries(&stores).await, all);
    seen(&stores, OLD, false).await;
    seen(&stores, GONE, true).await;
    // Nobody else's are looked at, whatever is said of them.
    seen(&stores, OF_OTHERS[0], true).await;
    store.tend_libraries().await.unwrap();
    let expected: BTreeSet<String> = all.iter().filter(|name| *name != GONE).cloned().collect();
    assert_eq!(libraries(&stores).await, expected);
    seen(&stores, OLD, true).await;
    store.tend_libraries().await.unwrap();
    assert!(!libraries(&stores).await.contains(OLD));

    let known = Command::new("HKEYS").key("libraries");
    let known = stores.operator.run(known).await.unwrap().texts().unwrap();
    assert_eq!(known, [store.library()], "what is gone is forgotten");
}

#[tokio::test]
async fn a_build_whose_functions_were_removed_goes_on() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    store
        .open(&witness(&stores), &Shutdown::new())
        .await
        .unwrap();
    ask(&stores, "FUNCTION", &["DELETE", store.library()]).await;
    let answer = store.call(partition(), &Call::new("answer")).await.unwrap();
    assert_eq!(answer.int().unwrap(), 42);
    assert!(libraries(&stores).await.contains(store.library()));
}

#[tokio::test]
async fn a_clock_that_went_back_makes_no_library_look_unused() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    store
        .open(&witness(&stores), &Shutdown::new())
        .await
        .unwrap();
    load(&stores, GONE).await;
    ask(&stores, "HSET", &["libraries", GONE, "99999999999999"]).await;
    store.tend_libraries().await.unwrap();
    assert!(libraries(&stores).await.contains(GONE));
    let seen = Command::new("HGET").key("libraries").arg(GONE);
    let seen = stores.operator.run(seen).await.unwrap().unsigned().unwrap();
    assert!(seen < 99_999_999_999_999, "it is counted from now on");
}

/// A step that leaves a mark in its partition.
fn mark(own: Store, partition: Partition) -> Taken {
    Box::pin(async move {
        let mark = Command::new("HSET").key(partition.key("attempts"));
        own.run(mark.arg("taken").arg("yes")).await.map(drop)
    })
}

/// The partitions in which the step was taken since this was asked last.
async fn marked(stores: &Stores) -> Vec<u16> {
    let mut marked = Vec::new();
    for index in [0, 1] {
        let key = Partition::at(Some(index)).key("attempts");
        let deleted = stores
            .operator
            .run(Command::new("DEL").key(key))
            .await
            .unwrap();
        marked.extend((deleted.int().unwrap() == 1).then_some(index));
    }
    marked
}

#[tokio::test]
async fn what_a_build_without_layouts_wrote_last_is_migrated_in_every_partition() {
    let stores = Stores::start().await;
    let layout = Layout {
        service: "test",
        steps: &[mark],
    };
    let files = ["register('answer', function() return 42 end)"];
    let redis = Redis::worker(&url(&stores.own, User::Inventory));
    let store = Store::new(
        redis,
        layout,
        &files,
        Partitions::new(NonZeroU16::new(2).unwrap()),
    );
    store
        .open(&witness(&stores), &Shutdown::new())
        .await
        .unwrap();
    assert!(
        marked(&stores).await.is_empty(),
        "a new store is not migrated"
    );

    load(&stores, OLD).await;
    for key in ["libraries:{0}", "libraries:{1}"] {
        seen_at(&stores, key, OLD, true).await;
    }
    store.tend_libraries().await.unwrap();
    assert!(!libraries(&stores).await.contains(OLD));
    assert_eq!(marked(&stores).await, [0, 1]);
    store.tend_libraries().await.unwrap();
    assert!(marked(&stores).await.is_empty(), "it is done once");

    // A process removed the library, and died before it migrated anything.
    seen_at(&stores, "libraries:{1}", OLD, true).await;
    store.mend_older_writes().await.unwrap();
    assert_eq!(marked(&stores).await, [1]);
    store.tend_libraries().await.unwrap();
    assert_eq!(marked(&stores).await, [1]);
    store.tend_libraries().await.unwrap();
    assert!(marked(&stores).await.is_empty());
}
