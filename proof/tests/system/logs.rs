//! The reader of the logs may be slow, stop, or go away: the shop stays open, and lost lines are counted.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use serde_json::Value;
use shared::base::line_writer::MAX_LINE_BYTES;
use stack::ports;
use stack::role::Role;
use stack::wait::wait_until;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::harness::{LIMIT, Shop};

/// What `docker stop` and Kubernetes allow is longer.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How many bytes a pipe takes that nobody reads.
pub(crate) const PIPE_BYTES: usize = 64 * 1024;

/// A pipe that is full from the beginning, and its reader.
pub(crate) fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&vec![b'x'; PIPE_BYTES]).unwrap();
    (reader, writer.into())
}

/// A process with outputs of the test's own, and a client for it.
pub(crate) struct Watched {
    child: Child,
    url: String,
    client: Client,
}

impl Watched {
    /// Starts a process of inventory beside the system, whose standard output is `stdout`.
    async fn beside(shop: &Shop, stdout: impl Into<Stdio>, env: &[(&str, &str)]) -> Self {
        Self::start(shop.command(Role::InventoryServe, env), stdout).await
    }

    async fn start(mut command: Command, stdout: impl Into<Stdio>) -> Self {
        let port = ports::free().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        drop(port);
        let child = command
            .env("HTTP_ADDR", &address)
            .stdout(stdout)
            .spawn()
            .unwrap();
        Self::known(child, format!("http://{address}")).await
    }

    /// A process that listens at `url`, as soon as it is ready.
    pub(crate) async fn known(child: Child, url: String) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        let watched = Self { child, url, client };
        wait_until(&watched.url, LIMIT, || async {
            let asked = watched
                .client
                .get(format!("{}/readyz", watched.url))
                .send()
                .await;
            asked.is_ok_and(|answer| answer.status() == 200)
        })
        .await
        .unwrap();
        watched
    }

    /// The status of the answer.
    async fn get(&self, path: &str) -> u16 {
        self.client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    /// Leaves it no descriptor beside those that it has.
    fn take_descriptors(&self) {
        let pid = self.child.id().unwrap().to_string();
        let mut limit = std::process::Command::new("prlimit");
        let limited = limit.args(["--pid", &pid, "--nofile=3:"]).status().unwrap();
        assert!(limited.success(), "{limited}");
    }

    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed());
        kill(pid, Signal::SIGTERM).unwrap();
        let ended = timeout(STOP_LIMIT, self.child.wait());
        ended.await.expect("it ignores SIGTERM").unwrap().code()
    }
}

/// What was read of an output so far, by a thread that waits for `pause` after each line until it
/// is told to hurry.
#[derive(Clone, Default)]
pub(crate) struct Reader {
    lines: Arc<Mutex<Vec<String>>>,
    hurries: Arc<AtomicBool>,
}

impl Reader {
    pub(crate) fn start(output: PipeReader, pause: Duration) -> Self {
        let reader = Self::default();
        let Self { lines, hurries } = reader.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
                if !hurries.load(Ordering::Relaxed) {
                    thread::sleep(pause);
                }
            }
        });
        reader
    }

    fn count(&self, found: impl Fn(&str) -> bool) -> usize {
        self.lines
            .lock()
            .unwrap()
            .iter()
            .filter(|line| found(line))
            .count()
    }

    async fn wait(&self, what: &str, found: impl Fn(&str) -> bool) {
        wait_until(what, LIMIT, || async { self.count(&found) > 0 })
            .await
            .unwrap();
    }

    pub(crate) fn objects(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_shop_whose_logs_nobody_reads_goes_on_and_stops_in_time() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000_000).await;
    let env = [("COMPLETION_DELAY", "100ms"), ("RECLAIM_IDLE", "1s")];
    let (mut readers, mut processes) = (Vec::new(), Vec::new());
    for role in Role::ALL {
        shop.system
            .process(role.name())
            .stop(STOP_LIMIT)
            .await
            .unwrap();
        let [(reader, stdout), (more, stderr)] = [full_pipe(), full_pipe()];
        readers.push([reader, more]);
        let child = shop
            .command(role, &env)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        processes.push(Watched::known(child, shop.system.url(role.name())).await);
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
    // 2.4 MB of log, while the queue takes 1 MiB.
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
    reader
        .wait("the last line", |line| line.contains("stopping"))
        .await;
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
async fn a_log_that_is_closed_or_on_a_full_disk_ends_nothing() {
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
        // A character of a path that JSON has to escape is shown as it came.
        assert_eq!(
            process.get(&format!("/{}", "x%22".repeat(3_500))).await,
            404
        );
        assert_eq!(process.terminate().await, Some(0));
        reader
            .wait("the last line", |line| line.contains("stopping"))
            .await;
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
        reader
            .wait("the last line", |line| line.contains("stopping"))
            .await;
        assert_eq!(reader.count(|line| line.contains("status=200")), 20);
    }
}

/// As `2>&1` has it: both outputs are one pipe.
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
            .expect("it waits for a reader");
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
async fn what_is_said_ten_times_a_second_is_written_once_and_counted() {
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
