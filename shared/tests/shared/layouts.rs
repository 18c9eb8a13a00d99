//! The layout of a store: which stores are migrated, and which are refused.

use shared::base::health::{Opened, Readiness};
use shared::base::shutdown::Shutdown;
use shared::redis::{Code, Command, Redis, RedisError};
use shared::service::checks;
use shared::store::function::Call;
use shared::store::open::OpenError;
use shared::store::partition::{Partition, Partitions};
use shared::store::{Layout, Store, Taken};
use shared::stream::loss::accept_loss;
use stack::credentials::User;
use stack::wait::eventually;

use crate::harness::{LAYOUT, STREAM, Stores, partition, url};
use crate::opening::witness;

pub(crate) const LUA: &str = "local function answer() return 42 end\nregister('answer', answer)";
const OTHER_LUA: &str = "local function answer() return 43 end\nregister('answer', answer)";
/// Each step counts its runs in a key that the user of the service may write.
const STEPS: [&str; 2] = ["attempts:first", "attempts:second"];
/// The second step fails while this key is missing.
const GATE: &str = "attempts:gate";
/// The identity of a store of an older build, whose layout had no step.
const OLD: &str = "an-old-one test 1 0";
const TWO_STEPS: Layout = Layout {
    service: "test",
    oldest: 1,
    steps: &[first, second],
};

fn first(own: Store, _: Partition) -> Taken {
    Box::pin(async move { count(&own, STEPS[0]).await })
}

fn second(own: Store, _: Partition) -> Taken {
    Box::pin(async move {
        count(&own, STEPS[1]).await?;
        match own.run(Command::new("EXISTS").key(GATE)).await?.int()? {
            1 => Ok(()),
            _ => Err(RedisError::unknown("the step is broken off")),
        }
    })
}

async fn count(own: &Store, step: &'static str) -> Result<(), RedisError> {
    own.run(Command::new("HSET").key(step).arg("taken").arg("yes"))
        .await
        .map(drop)
}

pub(crate) fn store_of(stores: &Stores, layout: Layout, lua: &str) -> Store {
    let redis = Redis::worker(&url(&stores.own, User::Inventory));
    Store::new(redis, layout, &[lua], Partitions::NONE)
}

pub(crate) async fn ask(stores: &Stores, name: &'static str, words: &[&str]) -> String {
    let reply = stores
        .operate(Command::new(name).args(words.iter().copied()))
        .await;
    reply.text().unwrap_or_default()
}

async fn taken(stores: &Stores) -> [bool; 2] {
    let taken = async |step| ask(stores, "HGET", &[step, "taken"]).await == "yes";
    [taken(STEPS[0]).await, taken(STEPS[1]).await]
}

pub(crate) async fn answer(store: &Store) -> Result<i64, RedisError> {
    store
        .call(partition(), &Call::new("answer"))
        .await
        .map(|answer| answer.int().unwrap())
}

#[tokio::test]
async fn a_migration_that_is_broken_off_goes_on_with_the_step_that_was_not_done() {
    let stores = Stores::start().await;
    ask(&stores, "SET", &["identity", OLD]).await;
    let store = store_of(&stores, TWO_STEPS, LUA);
    let shutdown = Shutdown::new();
    let witness = witness(&stores);
    let broken_off = async {
        let second = || async { taken(&stores).await[1] };
        eventually("the second step", second).await;
        // The process ends here.
        shutdown.cancel();
    };
    let (opened, ()) = tokio::join!(store.open(&witness, &shutdown), broken_off);
    opened.unwrap();
    assert_eq!(
        ask(&stores, "GET", &["identity"]).await,
        "an-old-one test 2 0"
    );
    let error = answer(&store).await.unwrap_err();
    assert!(error.to_string().contains("OTHERLAYOUT"), "{error}");
    assert!(matches!(store.verify().await, Err(OpenError::OlderLayout)));

    ask(&stores, "DEL", &[STEPS[0], STEPS[1]]).await;
    ask(&stores, "SET", &[GATE, "open"]).await;
    stores
        .open(&store_of(&stores, TWO_STEPS, LUA))
        .await
        .unwrap();
    assert_eq!(
        taken(&stores).await,
        [false, true],
        "the first step had been done"
    );
    assert_eq!(
        ask(&stores, "GET", &["identity"]).await,
        "an-old-one test 3 0"
    );
    assert_eq!(answer(&store).await.unwrap(), 42);
    store.verify().await.unwrap();
}

#[tokio::test]
async fn processes_that_migrate_a_store_at_the_same_time_leave_one_result() {
    let stores = Stores::start().await;
    ask(&stores, "SET", &["identity", OLD]).await;
    ask(&stores, "SET", &[GATE, "open"]).await;
    let opened = [0; 4].map(|_| async {
        stores
            .open(&store_of(&stores, TWO_STEPS, LUA))
            .await
            .unwrap();
    });
    futures_util::future::join_all(opened).await;
    assert_eq!(
        ask(&stores, "GET", &["identity"]).await,
        "an-old-one test 3 0"
    );
}

#[tokio::test]
async fn a_new_store_has_the_newest_layout_and_is_not_migrated() {
    let stores = Stores::start().await;
    let store = store_of(&stores, TWO_STEPS, LUA);
    stores.open(&store).await.unwrap();
    assert_eq!(taken(&stores).await, [false, false]);
    assert!(
        ask(&stores, "GET", &["identity"])
            .await
            .ends_with(" test 3 0")
    );
}

#[tokio::test]
async fn an_older_build_refuses_a_store_that_a_newer_one_migrated() {
    let stores = Stores::start().await;
    let older = store_of(&stores, LAYOUT, LUA);
    stores.open(&older).await.unwrap();
    assert_eq!(answer(&older).await.unwrap(), 42);
    ask(&stores, "SET", &[GATE, "open"]).await;
    let newer = store_of(&stores, TWO_STEPS, LUA);
    stores.open(&newer).await.unwrap();

    // The older build is refused at once, also in a process that runs already.
    for error in [
        answer(&older).await.unwrap_err(),
        older.has_identity().await.unwrap_err(),
    ] {
        // The error says "not now": the older build waits, and a newer one may act on the same
        // event.
        assert!(
            error.is(Code::OtherLayout) && error.did_nothing(),
            "{error:?}"
        );
    }
    let error = stores.open(&older).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::NewerLayout {
                layout: 3,
                known: 1
            }
        ),
        "{error:?}"
    );
    assert!(accept_loss(&older, &witness(&stores)).await.is_err());
    older.adopt().await.unwrap();
    assert!(
        ask(&stores, "GET", &["identity"])
            .await
            .ends_with(" test 3 0"),
        "for ever the same"
    );
    assert_eq!(answer(&newer).await.unwrap(), 42);
}

#[tokio::test]
async fn a_store_before_the_oldest_layout_is_refused_and_stays_as_it_is() {
    let stores = Stores::start().await;
    let layout = Layout {
        oldest: 2,
        ..TWO_STEPS
    };
    let store = store_of(&stores, layout, LUA);
    ask(&stores, "SET", &[GATE, "open"]).await;
    for (identity, expected) in [(OLD, 1), ("an-old-one", 0)] {
        ask(&stores, "SET", &["identity", identity]).await;
        let error = stores.open(&store).await.unwrap_err();
        assert!(
            matches!(error, OpenError::LayoutTooOld { layout, oldest: 2 } if layout == expected),
            "{error:?}"
        );
        assert!(error.is_final());
        assert!(accept_loss(&store, &witness(&stores)).await.is_err());
        assert_eq!(taken(&stores).await, [false, false]);
        assert_eq!(ask(&stores, "GET", &["identity"]).await, identity);
    }
    // In the next layout both steps are taken.
    ask(&stores, "SET", &["identity", "an-old-one test 2 0"]).await;
    stores.open(&store).await.unwrap();
    assert_eq!(taken(&stores).await, [true, true]);
    assert_eq!(
        ask(&stores, "GET", &["identity"]).await,
        "an-old-one test 4 0"
    );
}

#[tokio::test]
async fn an_identity_is_not_taken_back_by_a_slower_process() {
    let stores = Stores::start().await;
    let store = store_of(&stores, LAYOUT, LUA);
    stores.open(&store).await.unwrap();
    let before = ask(&stores, "GET", &["identity"]).await;
    let set = |read: &str| Call::new("set_identity").arg(read).arg("another test 1 0");
    let set = async |read| {
        store
            .call(partition(), &set(read))
            .await
            .unwrap()
            .int()
            .unwrap()
    };
    assert_eq!(set("what-was-read-before").await, 0);
    assert_eq!(ask(&stores, "GET", &["identity"]).await, before);
    assert_eq!(set(&before).await, 1);
    assert_eq!(ask(&stores, "GET", &["identity"]).await, "another test 1 0");
}

#[tokio::test]
async fn builds_with_other_functions_run_side_by_side() {
    let stores = Stores::start().await;
    let (one, other) = (
        store_of(&stores, LAYOUT, LUA),
        store_of(&stores, LAYOUT, OTHER_LUA),
    );
    stores.open(&one).await.unwrap();
    stores.open(&other).await.unwrap();
    assert_eq!(
        (answer(&one).await.unwrap(), answer(&other).await.unwrap()),
        (42, 43)
    );
    let same = store_of(&stores, LAYOUT, LUA);
    assert_eq!(same.library(), one.library());
    assert_ne!(other.library(), one.library());
    let newer = store_of(&stores, TWO_STEPS, LUA);
    assert_ne!(
        newer.library(),
        one.library(),
        "the layout is part of the code"
    );
}

#[tokio::test]
async fn a_partition_that_lost_its_data_is_reported_before_another_one_is_migrated() {
    let stores = Stores::start().await;
    ask(&stores, "SET", &["identity:{0}", "an-old-one test 1 2"]).await;
    for index in [0, 1] {
        let stream = format!("{STREAM}:{{{index}}}");
        let add = Command::new("XADD").key(stream).args(["*", "order", "one"]);
        stores.emitter.run(add).await.unwrap();
    }
    let redis = Redis::worker(&url(&stores.own, User::Inventory));
    let partitions = Partitions::new(2.try_into().unwrap());
    let store = Store::new(redis, TWO_STEPS, &[LUA], partitions);
    let shutdown = Shutdown::new();
    let witness = witness(&stores);
    let opened = store.open(&witness, &shutdown);
    let check = checks::own_store(store.clone(), Opened::default());
    let readiness = Readiness::new(vec![check], Shutdown::new());
    let told = async {
        let told = || async { readiness.failures().await.concat().contains("adopt-store") };
        eventually("the remedy", told).await;
        shutdown.cancel();
    };
    let (opened, ()) = tokio::join!(opened, told);
    opened.unwrap();
}
