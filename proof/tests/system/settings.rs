//! A mistake in any setting is answered with what would be right, in the words of `--help`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use stack::ports;
use stack::redis::Owner;
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::Shop;
use crate::harness::programs::{run, run_with, text};

const SERVICES: [Owner; 2] = [Owner::Inventory, Owner::Payments];

/// Words of the standard library and of other crates, which no message may contain.
const FOREIGN: [&str; 12] = [
    "invalid digit",
    "provided string",
    "number would",
    "number too",
    "empty string",
    "syntax",
    "os error",
    "panicked",
    "stream did not contain",
    "invalid filter",
    "relative URL",
    "months",
];

/// Each setting of a service with its help text.
async fn settings(service: Owner) -> BTreeMap<String, String> {
    let help = text(&run(service, &["--help"], &[]).await);
    let (_, environment) = help.split_once("Environment").unwrap();
    let settings = environment
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("  "));
    settings
        .map(|line| {
            let mut columns = line.trim().splitn(2, ' ');
            let name = columns.next().unwrap().to_owned();
            let (_, help) = columns.next().unwrap().trim().split_once("  ").unwrap();
            (name, help.trim().to_owned())
        })
        .collect()
}

/// Sets every setting to the same value. Answers the mistake of each.
async fn mistakes(service: Owner, value: &OsStr) -> BTreeMap<String, String> {
    let names = settings(service).await.into_keys();
    let env: Vec<(String, OsString)> = names.map(|name| (name, value.to_owned())).collect();
    let output = run_with(service, &["asyncapi"], &env).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(if stderr.is_empty() { 0 } else { 2 }),
        "{stderr}"
    );
    for foreign in FOREIGN {
        assert!(!stderr.contains(foreign), "{foreign}: {stderr}");
    }
    let lines = stderr
        .lines()
        .skip(1)
        .map(|line| line.trim().split_once(": ").unwrap());
    lines
        .map(|(name, said)| (name.to_owned(), said.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_setting_that_is_empty_or_blank_is_not_set() {
    for service in SERVICES {
        for value in ["", " ", "\t\n "] {
            assert_eq!(
                mistakes(service, value.as_ref()).await,
                BTreeMap::new(),
                "{value:?}"
            );
            let names = settings(service).await.into_keys();
            let files = names.map(|name| (format!("{name}_FILE"), value.into()));
            let output = run_with(service, &["asyncapi"], &files.collect::<Vec<_>>()).await;
            assert!(output.status.success(), "{value:?}: {}", text(&output));
        }
    }
}

#[tokio::test]
async fn every_mistake_is_answered_in_the_words_of_the_help() {
    // These settings take any text: a name, a filter, and a switch.
    let texts = ["CONSUMER_NAME", "NO_COLOR", "RUST_LOG"];
    for service in SERVICES {
        let settings = settings(service).await;
        for value in [
            "nonsense!",
            "ünïcödé",
            "-1",
            "1.5.5",
            "99999999999999999999999",
            "\u{202e}8",
        ] {
            let mistakes = mistakes(service, value.as_ref()).await;
            for (name, help) in &settings {
                match mistakes.get(name) {
                    Some(said) => assert!(said.ends_with(&format!("({help})")), "{name}: {said}"),
                    None => assert!(texts.contains(&name.as_str()), "{name} takes {value:?}"),
                }
            }
        }
        let zero = mistakes(service, "0".as_ref()).await;
        for name in [
            "TOKIO_WORKER_THREADS",
            "PARTITIONS",
            "MAX_CONNECTIONS",
            "MAX_CONNECTIONS_PER_ADDRESS",
            "RECLAIM_IDLE",
        ] {
            assert!(
                zero[name].starts_with("cannot be \"0\" ("),
                "{}",
                zero[name]
            );
        }
    }
}

#[tokio::test]
async fn a_value_that_is_no_text_is_a_mistake_and_not_the_default() {
    for service in SERVICES {
        let mistakes = mistakes(service, OsStr::from_bytes(b"5s\xff")).await;
        for name in settings(service).await.into_keys() {
            assert_eq!(mistakes[&name], "its value is not UTF-8 text");
        }
    }
}

#[tokio::test]
async fn a_file_that_gives_no_value_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let good = file("good", b" 7s \n");
    for (path, said) in [
        (folder.path(), "is a folder and not a file"),
        (Path::new("/does/not/exist"), "does not exist"),
        (&file("empty", b""), "is empty"),
        (&file("blank", b" \n"), "is empty"),
        (&file("bytes", b"\xff\xfe"), "is not UTF-8 text"),
    ] {
        let path = path.to_str().unwrap();
        let output = run(
            Owner::Payments,
            &["asyncapi"],
            &[("COMPLETION_DELAY_FILE", path)],
        )
        .await;
        let told = text(&output);
        let expected =
            format!("COMPLETION_DELAY: COMPLETION_DELAY_FILE names {path}, which {said}");
        assert!(told.contains(&expected), "{told}");
    }
    let good = good.to_str().unwrap();
    let one = [("COMPLETION_DELAY_FILE", good), ("COMPLETION_DELAY", " ")];
    assert!(
        run(Owner::Payments, &["asyncapi"], &one)
            .await
            .status
            .success()
    );
    let both = [("COMPLETION_DELAY_FILE", good), ("COMPLETION_DELAY", "5s")];
    let told = text(&run(Owner::Payments, &["asyncapi"], &both).await);
    let expected = "COMPLETION_DELAY: COMPLETION_DELAY_FILE is set as well: unset one of them";
    assert!(told.contains(expected), "{told}");
}

#[tokio::test]
async fn a_process_listens_where_a_name_leads() {
    let shop = Shop::open().await;
    let port = ports::free().unwrap();
    let address = format!("localhost:{}", port.number());
    let env = [("HTTP_ADDR", address.as_str())];
    let (_process, _) = shop.start_overheard(Role::InventoryServe, &env);
    eventually("an answer", async || {
        run(Owner::Inventory, &["healthcheck"], &env)
            .await
            .status
            .success()
    })
    .await;
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_named_with_the_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, said) in [
        (taken.as_str(), "another process listens there"),
        ("192.0.2.1:8000", "this machine does not have that address"),
        (
            "no-such-host.invalid:8000",
            "cannot resolve the host no-such-host.invalid",
        ),
    ] {
        let output = run(Owner::Inventory, &["serve"], &[("HTTP_ADDR", address)]).await;
        assert_eq!(output.status.code(), Some(1), "{address}");
        let told = text(&output);
        assert!(told.contains(address) && told.contains(said), "{told}");
        assert!(!told.contains("os error"), "{told}");
    }
}
