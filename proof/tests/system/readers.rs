//! A reader of another team: the user and the commands of `docs/events.md`, line by line.

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, RedisResult, Value};
use stack::operator::Operator;
use stack::project;
use stack::wait::eventually;

use crate::harness::Shop;

/// The password that the page asks its reader to choose.
const PLACEHOLDER: &str = "CHOOSE_A_PASSWORD";
const PASSWORD: &str = "a-password-of-the-test";
/// The id of an entry on the page.
const ENTRY: &str = "1763632806410-0";

/// The commands of the page that this user types.
fn commands(user: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(project::root().join("docs/events.md")).unwrap();
    let prompt = format!("{user}> ");
    let typed = page
        .lines()
        .filter_map(|line| line.trim().strip_prefix(&prompt));
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    typed.map(words).collect()
}

async fn run(reader: &mut MultiplexedConnection, words: &[String]) -> RedisResult<Value> {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query_async(reader).await
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Makes the user of the page, and logs in as that user.
async fn reader(shop: &Shop) -> MultiplexedConnection {
    let server = shop.system.payments_redis();
    let operator = Operator::of(server).unwrap();
    let setup = commands("operator");
    assert_eq!(setup.len(), 2, "{setup:?}");
    for words in setup {
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace(PLACEHOLDER, PASSWORD))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        operator.ask::<()>(&words).await.unwrap();
    }
    let url = format!("redis://revenue:{PASSWORD}@127.0.0.1:{}", server.port());
    let client = Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn the_page_about_events_is_enough_for_a_reader_of_another_team() {
    let shop = Shop::open().await;
    let mut reader = reader(&shop).await;
    let product = shop.create_product("thing", 10).await;
    let (order, _) = shop.place_order(product, 1).await;
    shop.wait_status(order, "paid").await;
    let typed = commands("revenue");
    assert_eq!(typed.len(), 6, "{typed:?}");
    let entries = shop.payments.entries("order_completed").await;
    let id = entries[0].id.as_str();
    for words in typed {
        let words: Vec<String> = words.iter().map(|word| word.replace(ENTRY, id)).collect();
        let answer = run(&mut reader, &words).await;
        let answer = answer.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        match words[0].as_str() {
            "XREADGROUP" if words.last().unwrap() == ">" => {
                assert!(format!("{answer:?}").contains(&order.to_string()));
            }
            "XACK" => assert_eq!(answer, Value::Int(1)),
            _ => {}
        }
    }
    let group = shop.payments.group("order_completed", "revenue-group");
    assert_eq!(group.await.unwrap().pending, 0);
}

/// Redis cannot limit a right to one group. So the user can acknowledge for the group of inventory,
/// and the page has to say so.
#[tokio::test]
async fn a_reader_of_another_team_cannot_write_or_reach_another_key() {
    let shop = Shop::open().await;
    let mut reader = reader(&shop).await;
    eventually("the group of inventory", async || {
        let group = shop.payments.group("order_completed", "inventory-group");
        group.await.is_some()
    })
    .await;
    for line in [
        "XADD order_completed * a b",
        "XDEL order_completed 1-0",
        "XTRIM order_completed MAXLEN 0",
        "DEL order_completed",
        "XGROUP DESTROY order_completed inventory-group",
        "XGROUP SETID order_completed inventory-group 0",
        "XGROUP DELCONSUMER order_completed inventory-group one",
        "XREAD STREAMS changes 0",
        "XRANGE changes - +",
        "GET identity",
        "SET identity mine",
        "KEYS *",
        "CONFIG GET *",
        "ACL LIST",
        "PUBLISH confirm x",
        "FUNCTION LIST",
        "EVAL return 0",
        "FLUSHALL",
    ] {
        let refused = run(&mut reader, &words(line)).await.unwrap_err();
        assert_eq!(refused.code(), Some("NOPERM"), "{line}: {refused}");
    }
    let line = words("XACK order_completed inventory-group 1-0");
    assert_eq!(run(&mut reader, &line).await.unwrap(), Value::Int(0));
    let page = std::fs::read_to_string(project::root().join("docs/events.md")).unwrap();
    assert!(page.contains("Redis cannot limit a right to one group"));
}
