//! What the settings of a service with a store take, and what they refuse.

use super::*;
use crate::base::config::Mistakes;
use crate::contract::event::OrderCompleted;

const DEFAULTS: StoreDefaults = StoreDefaults {
    service: "payments",
    own: Setting {
        name: "INVENTORY_REDIS_URL",
        default: "redis://127.0.0.1:6380",
        help: "",
    },
    other: Some(Setting {
        name: "PAYMENTS_REDIS_URL",
        default: "redis://127.0.0.1:6390",
        help: "",
    }),
    consumer_http_addr: "127.0.0.1:9401",
};

fn read(inventory: &'static str, payments: &'static str) -> Result<StoreSettings, Mistakes> {
    let mut reader = Reader::from_source(move |name| match name {
        "INVENTORY_REDIS_URL" => Some(inventory.to_owned()),
        "PAYMENTS_REDIS_URL" => Some(payments.to_owned()),
        _ => None,
    });
    let settings = StoreSettings::read(&mut reader, DEFAULTS);
    reader.finish(settings)
}

#[test]
fn two_urls_of_one_store_are_a_mistake_that_says_what_to_do() {
    for (inventory, payments) in [
        ("redis://a:6379", "redis://a:6379"),
        ("redis://a", "redis://a:6379/0"),
        (
            "redis://inventory:x@a:6379/3",
            "redis://payments:y@a:6379/3",
        ),
        (
            "redis-cluster://a:7000?node=b:7000",
            "redis-cluster://b:7000?node=c:7000",
        ),
        (
            "redis-sentinel://a:26379?sentinelServiceName=shop",
            "redis-sentinel://a:26379?sentinelServiceName=shop",
        ),
    ] {
        let Mistakes(lines) = read(inventory, payments).unwrap_err();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("PAYMENTS_REDIS_URL: "), "{lines:?}");
        assert!(lines[0].contains("another database"), "{lines:?}");
    }
}

#[test]
fn two_stores_of_one_server_are_two_stores() {
    for (inventory, payments) in [
        ("redis://a:6379", "redis://a:6379/1"),
        ("redis://a:6379/0", "redis://a:6380/0"),
        ("redis-cluster://a:7000", "redis-cluster://b:7000"),
        (
            "redis-sentinel://a:26379?sentinelServiceName=inventory",
            "redis-sentinel://a:26379?sentinelServiceName=payments",
        ),
    ] {
        read(inventory, payments).unwrap();
    }
}

// A witness opens a client, which needs a runtime.
#[tokio::test]
async fn a_service_may_read_a_stream_in_its_own_store() {
    let defaults = StoreDefaults {
        other: None,
        ..DEFAULTS
    };
    let mut reader = Reader::from_source(|name| {
        (name == "INVENTORY_REDIS_URL").then(|| "redis-cluster://a:7000".to_owned())
    });
    let settings = StoreSettings::read(&mut reader, defaults).unwrap();
    assert_eq!(settings.stream, settings.own);
    assert!(settings.witness::<OrderCompleted>().is_own);
    assert_eq!(settings.consumer().stream_store, settings.own);
    assert_eq!(settings.partitions.count(), Some(CLUSTER_PARTITIONS.get()));
    let apart = read("redis://a:6379", "redis://b:6379").unwrap();
    assert!(!apart.witness::<OrderCompleted>().is_own);
}

#[test]
fn a_cluster_has_no_database_to_choose() {
    let Mistakes(lines) = read("redis-cluster://a:7000/1", "redis://b:6379").unwrap_err();
    assert!(lines[0].starts_with("INVENTORY_REDIS_URL: a cluster has a single database"));
    for text in [
        "redis-cluster://a:7000",
        "redis-cluster://a:7000/",
        "redis-cluster://a:7000/0",
    ] {
        assert!(text.parse::<RedisUrl>().is_ok(), "{text}");
    }
}

fn name(set: &'static [(&'static str, &'static str)]) -> Option<String> {
    let find = |name: &str| set.iter().find(|(known, _)| *known == name);
    let mut reader =
        Reader::from_source(move |name| find(name).map(|(_, value)| (*value).to_owned()));
    StoreSettings::read(&mut reader, DEFAULTS).map(|settings| settings.consumer_name)
}

#[test]
fn consumers_of_one_host_have_different_names_and_keep_them() {
    let first = name(&[]).unwrap();
    assert!(
        first.starts_with("payments-") && first.ends_with("-9401"),
        "{first}"
    );
    assert_eq!(name(&[("CONSUMER_NAME", " ")]), Some(first.clone()));
    let second = name(&[("CONSUMER_HTTP_ADDR", "localhost:9402")]);
    assert_eq!(second, Some(first.replace("-9401", "-9402")));
    assert_eq!(name(&[("CONSUMER_NAME", "mine")]), Some("mine".to_owned()));
    assert_eq!(name(&[("CONSUMER_NAME", "a\nb")]), None);
}
