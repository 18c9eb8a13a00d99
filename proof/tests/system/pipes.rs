//! The reader of a program's output may stop at any time, as `head` does.

use std::fs::{File, OpenOptions};
use std::io::pipe;
use std::process::{Command, Stdio};

use shared::contract::event::{Event, OrderCompleted};
use stack::credentials::User;
use stack::{binaries, project};

use crate::harness::Shop;

/// An output whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

fn commands() -> Vec<Command> {
    let binaries = binaries::shared().unwrap();
    let programs = [binaries.inventory, binaries.payments];
    let verbs = ["openapi", "asyncapi", "--help", "--version"];
    let calls = programs
        .into_iter()
        .flat_map(|program| verbs.map(|verb| (program.clone(), verb)));
    let calls = calls.chain([(binaries.stack, "--help")]);
    let command = |(program, verb)| {
        let mut command = Command::new(program);
        command
            .arg(verb)
            .stdin(Stdio::null())
            .env_remove("RUST_BACKTRACE");
        command
    };
    calls.map(command).collect()
}

#[tokio::test]
async fn an_output_without_a_reader_ends_a_program_without_a_word() {
    for mut command in commands() {
        let output = command
            .stdout(closed())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "{command:?}"
        );
        // As in `2>&1 | head -1`.
        let status = command.stdout(closed()).stderr(closed()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{command:?}");
    }
}

#[tokio::test]
async fn a_mistake_without_a_reader_is_no_panic() {
    let binaries = binaries::shared().unwrap();
    for (program, args, status) in [
        (&binaries.payments, &["serve"][..], 2),
        (&binaries.payments, &["reconcile"], 2),
        (&binaries.payments, &["nonsense"], 2),
        (&binaries.stack, &["order", "--port-offset", "60000"], 1),
        (&binaries.stack, &["up", "--port-offset", "60000"], 1),
    ] {
        let mut command = Command::new(program);
        command
            .args(args)
            .env("HTTP_ADDR", "here")
            .current_dir(project::root());
        let ended = command.stdout(closed()).stderr(closed()).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{command:?}");
    }
}

#[tokio::test]
async fn a_full_disk_behind_an_output_is_an_error_in_words() {
    let binaries = binaries::shared().unwrap();
    for verb in ["openapi", "asyncapi"] {
        let mut command = Command::new(&binaries.payments);
        let output = command
            .arg(verb)
            .stdout(full())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said,
            "cannot write to standard output: there is no room left\n"
        );
    }
}

/// A process that serves goes on without a reader of its log.
#[tokio::test]
async fn a_comparison_without_a_reader_ends_like_any_other() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 5).await;
    shop.place_order(product, 1).await;
    shop.assert_quiet().await;
    assert_eq!(shop.payments.length(OrderCompleted::STREAM).await, 1);
    let binaries = binaries::shared().unwrap();
    let user = User::Payments;
    let mut command = Command::new(&binaries.payments);
    command
        .arg("reconcile")
        .env("PAYMENTS_REDIS_URL", shop.system.payments_redis().url(user))
        .env(
            "INVENTORY_REDIS_URL",
            shop.system.inventory_redis().url(user),
        )
        .env("INVENTORY_URL", shop.system.inventory_url());
    let output = command
        .stdout(closed())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), &output.stderr[..]),
        (Some(0), &b""[..])
    );
}
