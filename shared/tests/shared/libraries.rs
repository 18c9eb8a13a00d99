//! The function libraries of older builds.

use std::collections::BTreeSet;

use shared::redis::Command;
use shared::store::function::Call;
use shared::store::libraries::UNUSED_AFTER;

use crate::harness::{Stores, partition};

/// Libraries of two builds of this service.
const OLD: &str = "test_00112233aabb";
const GONE: &str = "test_0123456789ab";
/// The library of another service, and that of another program.
const OF_OTHERS: [&str; 2] = ["other_0123456789ab", "test_reports"];

async fn ask(stores: &Stores, name: &'static str, words: &[&str]) {
    stores
        .operate(Command::new(name).args(words.iter().copied()))
        .await;
}

async fn load(stores: &Stores, library: &str) {
    let code = format!("#!lua name={library}\nredis.register_function('f_{library}', print)");
    let code = code.replace("print", "function() return 1 end");
    ask(stores, "FUNCTION", &["LOAD", "REPLACE", &code]).await;
}

async fn libraries(stores: &Stores) -> BTreeSet<String> {
    let list = stores.operate(Command::new("FUNCTION").arg("LIST")).await;
    let name = |library: shared::redis::Reply| library.field("library_name").unwrap().text();
    list.list()
        .unwrap()
        .into_iter()
        .map(|library| name(library).unwrap())
        .collect()
}

/// Makes a library look as if it was last used a little less, or more, than the limit ago.
async fn seen(stores: &Stores, library: &str, more: bool) {
    let now = stores
        .own_store()
        .now(partition())
        .await
        .unwrap()
        .as_millis();
    let limit = u64::try_from(UNUSED_AFTER.as_millis()).unwrap();
    let at = now - limit + if more { 0 } else { 60_000 } - 1;
    ask(stores, "HSET", &["libraries", library, &at.to_string()]).await;
}

#[tokio::test]
async fn functions_that_no_build_has_used_for_an_hour_are_removed_and_no_others() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    stores.open(&store).await.unwrap();
    for library in [OLD, GONE].iter().chain(&OF_OTHERS) {
        load(&stores, library).await;
    }
    let all = libraries(&stores).await;
    // The store has no time of use for these libraries, so a process may be using them.
    store.tend_libraries().await.unwrap();
    assert_eq!(libraries(&stores).await, all);
    seen(&stores, OLD, false).await;
    seen(&stores, GONE, true).await;
    // A library of another service stays, also if it was not used for long.
    seen(&stores, OF_OTHERS[0], true).await;
    store.tend_libraries().await.unwrap();
    let expected: BTreeSet<String> = all.iter().filter(|name| *name != GONE).cloned().collect();
    assert_eq!(libraries(&stores).await, expected);
    seen(&stores, OLD, true).await;
    store.tend_libraries().await.unwrap();
    assert!(!libraries(&stores).await.contains(OLD));

    let known = Command::new("HKEYS").key("libraries");
    let known = stores.operate(known).await.texts().unwrap();
    assert_eq!(known, [store.library()], "what is gone is forgotten");
}

#[tokio::test]
async fn a_build_whose_functions_were_removed_goes_on() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    stores.open(&store).await.unwrap();
    ask(&stores, "FUNCTION", &["DELETE", store.library()]).await;
    let answer = store.call(partition(), &Call::new("answer")).await.unwrap();
    assert_eq!(answer.int().unwrap(), 42);
    assert!(libraries(&stores).await.contains(store.library()));
}

#[tokio::test]
async fn a_clock_that_went_back_makes_no_library_look_unused() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    stores.open(&store).await.unwrap();
    load(&stores, GONE).await;
    ask(&stores, "HSET", &["libraries", GONE, "99999999999999"]).await;
    store.tend_libraries().await.unwrap();
    assert!(libraries(&stores).await.contains(GONE));
    let seen = Command::new("HGET").key("libraries").arg(GONE);
    let seen = stores.operate(seen).await.unsigned().unwrap();
    assert!(seen < 99_999_999_999_999, "it is counted from now on");
}
