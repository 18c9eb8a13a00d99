//! The reader of the logs may be slow, stop, or go away. The services go on, and count the lines
//! that are lost.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write, pipe};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shared::base::line_writer::MAX_LINE_BYTES;
use stack::role::Role;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::Shop;

pub(crate) use pipe::{PIPE_BYTES, Reader, Watched, full_pipe};

mod pipe;

/// Shorter than what `docker stop` and Kubernetes allow.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn services_whose_logs_are_not_read_go_on_and_stop_in_time() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000_000).await;
    let env = [("COMPLETION_DELAY", "100ms"), ("RECLAIM_IDLE", "1s")];
    let (mut readers, mut processes) = (Vec::new(), Vec::new());
    for role in Role::ALL {
        let [(reader, stdout), (more, stderr)] = [full_pipe(), full_pipe()];
        readers.push([reader, more]);
        let mut command = shop.command(role, &env);
        command.stdout(stdout).stderr(stderr);
        processes.push(Watched::in_place_of(&shop, role, command).await);
    }
    for _ in 0..500 {
        shop.place_order(product, 1).await;
    }
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 1_000_000 - 500);
    for mut process in processes {
        assert_eq!(process.get("/livez").await, 200);
        assert_eq!(process.terminate().await, Some(0), "{}", process.url);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_every_line_or_is_told_how_many_it_lost() {
    const REQUESTS: u64 = 400;
    let shop = Shop::open().await;
    let (output, stdout) = pipe().unwrap();
    let reader = Reader::start(output, Duration::from_millis(100));
    let mut process = Watched::beside(&shop, stdout, &[("LOG_FORMAT", "json")]).await;
    // 2.4 MB of log lines. The queue holds 1 MiB.
    let path = format!("/{}", "x".repeat(6_000));
    for _ in 0..REQUESTS {
        assert_eq!(process.get(&path).await, 404);
    }
    assert_eq!(process.get("/livez").await, 200);
    reader.hurries.store(true, Ordering::Relaxed);
    reader
        .wait("the number of lost lines", |line| {
            line.contains("log lines were lost")
        })
        .await;
    assert_eq!(process.terminate().await, Some(0));
    reader.wait_last().await;
    let told = reader.objects();
    let lost = told.iter().filter_map(|line| line["lost"].as_u64());
    let lost: u64 = lost.sum();
    let seen = told.iter().filter(|line| line["status"] == 404).count() as u64;
    assert!(lost > 0 && seen > 0, "{lost} lost, {seen} seen");
    assert_eq!(lost + seen, REQUESTS);
    let warnings = told.iter().filter(|line| line["level"] == "WARN");
    assert!(
        warnings.clone().all(|line| line["lost"].is_u64()),
        "{:?}",
        warnings.collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_log_that_is_closed_or_on_a_full_disk_ends_no_process() {
    let shop = Shop::open().await;
    let (reader, closed) = pipe().unwrap();
    drop(reader);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stdout in [Stdio::from(closed), full.into()] {
        let mut process = Watched::beside(&shop, stdout, &[]).await;
        for _ in 0..100 {
            assert_eq!(process.get("/products").await, 200);
        }
        assert_eq!(process.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn a_long_line_is_cut_and_says_so_in_both_formats() {
    let shop = Shop::open().await;
    for format in ["json", "pretty"] {
        let (output, stdout) = pipe().unwrap();
        let reader = Reader::start(output, Duration::ZERO);
        let mut process = Watched::beside(&shop, stdout, &[("LOG_FORMAT", format)]).await;
        // A character that JSON has to escape appears as it came.
        assert_eq!(
            process.get(&format!("/{}", "x%22".repeat(3_500))).await,
            404
        );
        assert_eq!(process.terminate().await, Some(0));
        reader.wait_last().await;
        assert_eq!(reader.count(|line| line.len() > MAX_LINE_BYTES), 0);
        if format == "pretty" {
            assert_eq!(reader.count(|line| line.contains("… (cut: it had 14")), 1);
            continue;
        }
        let lines = reader.objects();
        let cut: Vec<_> = lines.iter().filter(|line| line["status"] == 404).collect();
        assert_eq!(cut.len(), 1);
        assert!(cut[0]["cut_from_bytes"].as_u64().unwrap() > 14_000);
        assert!(cut[0]["path"].as_str().unwrap().ends_with('…'));
        assert!(cut[0]["request_id"].is_string() && cut[0]["ms"].is_number());
    }
}

#[tokio::test]
async fn the_last_lines_of_a_process_are_never_missing() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000).await;
    for _ in 0..5 {
        let (output, stdout) = pipe().unwrap();
        let reader = Reader::start(output, Duration::ZERO);
        let mut process = Watched::beside(&shop, stdout, &[]).await;
        for _ in 0..20 {
            assert_eq!(process.get(&format!("/products/{product}")).await, 200);
        }
        assert_eq!(process.terminate().await, Some(0));
        reader.wait_last().await;
        assert_eq!(reader.count(|line| line.contains("status=200")), 20);
    }
}

/// Both outputs are one pipe, as with `2>&1`.
#[tokio::test]
async fn a_process_that_ends_by_an_error_says_everything_before_it() {
    let shop = Shop::open().await;
    let taken = shop.system.inventory_url().replace("http://", "");
    for is_full in [false, true] {
        let (output, mut writer) = pipe().unwrap();
        if is_full {
            writer.write_all(&vec![b'x'; PIPE_BYTES]).unwrap();
        }
        let mut command = shop.command(Role::InventoryServe, &[("HTTP_ADDR", &taken)]);
        let errors = writer.try_clone().unwrap();
        let mut child = command.stdout(writer).stderr(errors).spawn().unwrap();
        drop(command);
        let ended = timeout(STOP_LIMIT, child.wait())
            .await
            .expect("the process waits for a reader");
        assert_eq!(ended.unwrap().code(), Some(1));
        if !is_full {
            let lines: Vec<String> = BufReader::new(output).lines().map(Result::unwrap).collect();
            assert!(lines[0].contains("starting"), "{lines:?}");
            let last = &lines[lines.len() - 1];
            assert!(last.contains("another process listens there"), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_line_that_is_logged_ten_times_a_second_is_written_once_and_counted() {
    let shop = Shop::open().await;
    let (output, stdout) = pipe().unwrap();
    let reader = Reader::start(output, Duration::ZERO);
    let mut process = Watched::beside(&shop, stdout, &[]).await;
    process.take_descriptors();
    let address = process.url.replace("http://", "");
    let _waits = TcpStream::connect(&address).await.unwrap();
    let is_it = |line: &str| line.contains("cannot accept a connection");
    reader.wait("the first refusal", is_it).await;
    reader
        .wait("the count", |line| {
            is_it(line) && line.contains("(repeated ")
        })
        .await;
    let (all, counts) = (
        reader.count(is_it),
        reader.count(|line| line.contains("(repeated ")),
    );
    assert_eq!(all - counts, 1, "{:?}", reader.lines.lock().unwrap());
    process.terminate().await;
}
