//! Calls that read a line of the own store at the same moment share one command.

use futures_util::future::join_all;
use shared::redis::{Code, Command};
use shared::store::function::IDENTITY;

use crate::harness::{Stores, calls, partition};

/// Two stores, of which the own one has its identity.
async fn start() -> Stores {
    let stores = Stores::start().await;
    let identity = stores.own_store().identity_text("a-store");
    stores
        .operate(Command::new("SET").key(IDENTITY).arg(identity))
        .await;
    stores
}

#[tokio::test]
async fn lines_that_are_asked_for_at_the_same_moment_are_read_together() {
    const LINES: usize = 150;
    let stores = start().await;
    let key = |place: usize| format!("product:{place}");
    for place in 0..LINES {
        stores
            .operate(Command::new("SET").key(key(place)).arg(place.to_string()))
            .await;
    }
    let own = stores.own_store();
    let lines = join_all((0..LINES).map(|place| own.read_line(partition(), key(place)))).await;
    for (place, line) in lines.into_iter().enumerate() {
        assert_eq!(line.unwrap(), Some(place.to_string()));
    }
    let reads = calls(&stores.operator, "mget").await;
    assert!((2..10).contains(&reads), "{reads}");
}

#[tokio::test]
async fn a_line_that_is_missing_is_told_from_one_that_is_damaged_or_lost() {
    let stores = start().await;
    let own = stores.own_store();
    assert_eq!(
        own.read_line(partition(), "product:1".to_owned())
            .await
            .unwrap(),
        None
    );
    stores
        .operate(Command::new("HSET").key("product:2").arg("a").arg("b"))
        .await;
    stores
        .operate(Command::new("SET").key("product:3").arg("message"))
        .await;
    let (damaged, other) = tokio::join!(
        own.read_line(partition(), "product:2".to_owned()),
        own.read_line(partition(), "product:3".to_owned()),
    );
    let damaged = damaged.unwrap_err();
    assert!(damaged.is_damage(), "{damaged:?}");
    assert_eq!(other.unwrap().as_deref(), Some("message"));
    stores.operate(Command::new("DEL").key(IDENTITY)).await;
    let lost = own.read_line(partition(), "product:1".to_owned()).await;
    let lost = lost.unwrap_err();
    assert!(lost.is(Code::NoIdentity) && lost.did_nothing(), "{lost:?}");
}
