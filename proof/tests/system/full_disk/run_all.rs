//! `run-all` with stores whose disks can be full.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proof::shim;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;
use stack::ports::Ports;
use stack::wait::{eventually, wait_until};
use stack::{binaries, ports, project};
use tempfile::TempDir;

use crate::harness::{Answer, LIMIT, client};

/// `run-all` with the real services, on a disk that the test can fill.
pub(super) struct RunAll {
    pub(super) child: Child,
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    pub(super) offset: u16,
    pub(super) ports: Ports,
    pub(super) http: Client,
    pub(super) dir: TempDir,
}

impl RunAll {
    /// Starts `run-all` and waits for its box.
    pub(super) async fn start(first_offset: u16) -> Self {
        let run = Self::launch(
            tempfile::tempdir().unwrap(),
            free_offset(first_offset),
            false,
        )
        .await;
        run.wait_said("╰", 1).await;
        run
    }

    /// Starts `run-all` in this folder.
    pub(super) async fn launch(dir: TempDir, offset: u16, full: bool) -> Self {
        let (shim, binaries) =
            tokio::task::spawn_blocking(|| (shim::build().unwrap(), binaries::shared().unwrap()))
                .await
                .unwrap();
        let faults = shim::prepare(&shim, dir.path()).unwrap();
        shim::fill_disk(dir.path(), full).unwrap();
        let mut child = Command::new(&binaries.stack)
            .args(["up", "--port-offset", &offset.to_string(), "--data-dir"])
            .arg(dir.path().join("data"))
            .env("PAS_DE_DEUX_BIN_DIR", binaries.inventory.parent().unwrap())
            .env("COMPLETION_DELAY", "100ms")
            .envs(faults)
            .current_dir(project::root())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for pipe in [Box::new(stdout) as Box<dyn Read + Send>, Box::new(stderr)] {
            let lines = lines.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
            });
        }
        let ports = Ports::standard(offset).unwrap();
        Self {
            child,
            lines,
            offset,
            ports,
            http: client(),
            dir,
        }
    }

    /// Waits until this number of lines contain this text.
    pub(super) async fn wait_said(&self, text: &str, times: usize) {
        let said = wait_until(text, LIMIT, || async { self.said(text) >= times }).await;
        assert!(said.is_ok(), "{text}: {:#?}", self.lines.lock().unwrap());
    }

    pub(super) fn said(&self, text: &str) -> usize {
        self.lines
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    pub(super) fn fill_disk(&self, full: bool) {
        shim::fill_disk(self.dir.path(), full).unwrap();
    }

    pub(super) fn inventory(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.ports.inventory_http);
        self.http.request(method, url)
    }

    pub(super) fn payments(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.ports.payments_http);
        self.http.request(method, url)
    }

    pub(super) async fn create_product(&self) -> String {
        let body = json!({"name": "thing", "price": "2.50", "quantity": super::STOCK});
        let product = Answer::to(self.inventory(Method::POST, "/products").json(&body)).await;
        product.expect(201).text("id")
    }

    pub(super) fn order(&self, product: &str, key: &str) -> RequestBuilder {
        let body = json!({"product_id": product, "quantity": 1});
        self.payments(Method::POST, "/orders")
            .header("Idempotency-Key", key)
            .json(&body)
    }

    pub(super) async fn wait_paid(&self, id: &str) {
        let path = format!("/orders/{id}");
        eventually("the order to be paid", async || {
            Answer::to(self.payments(Method::GET, &path))
                .await
                .body
                .contains("\"paid\"")
        })
        .await;
    }

    /// Sends changes until both stores have noticed that their disk is full.
    pub(super) async fn wait_full(&self, product: &str) {
        eventually("both stores to notice", async || {
            let _ = Answer::attempt(self.order(product, "while-full")).await;
            let body = json!({"name": "other", "price": "1.00", "quantity": 1});
            let _ = Answer::attempt(self.inventory(Method::POST, "/products").json(&body)).await;
            self.said(" is full: ") >= 2
        })
        .await;
    }
}

impl Drop for RunAll {
    fn drop(&mut self) {
        let _ = kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        );
        let _ = self.child.wait();
    }
}

/// An offset for ports below the offsets of all other tests. Each test here has a range of its own.
pub(super) fn free_offset(first: u16) -> u16 {
    let is_free = |offset: &u16| {
        let ports = Ports::standard(*offset).unwrap();
        ports.named().iter().all(|(_, port)| ports::is_free(*port))
    };
    (first..first + 40).step_by(2).find(is_free).unwrap()
}
