//! A headless Chromium, driven through `WebDriver` (<https://www.w3.org/TR/webdriver2/>).

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use stack::client::client;
use stack::ports;
use stack::ports::Port;
use stack::wait::eventually;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::program::on_path;

/// How long a page, or the start of a browser, may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The browser resolves no host but this machine, and sends no request of its own.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// One browser with one page. When it is dropped, the browser ends and its files are removed.
pub(crate) struct Browser {
    client: Client,
    session: String,
    _driver: Driver,
    _port: Port,
    _data: TempDir,
}

/// The driver, and the browser in its process group.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            killpg(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
    }
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let binary = on_path(&["chromium", "chromium-browser", "google-chrome"]);
        let port = ports::free().unwrap();
        let data = tempfile::tempdir().unwrap();
        let driver = Command::new(on_path(&["chromedriver"]))
            .env("TMPDIR", data.path())
            .arg(format!("--port={}", port.number()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Driver)
            .unwrap();
        let client = client(LIMIT).unwrap();
        let url = format!("http://127.0.0.1:{}", port.number());
        eventually("chromedriver", async || {
            client.get(format!("{url}/status")).send().await.is_ok()
        })
        .await;
        let mut browser = Self {
            client,
            session: url,
            _driver: driver,
            _port: port,
            _data: data,
        };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": binary, "args": ARGUMENTS},
            "goog:loggingPrefs": {"performance": "ALL"},
        }}});
        let session = browser.call(Method::POST, "/session", &wanted).await;
        let id = session["sessionId"].as_str().unwrap();
        browser.session = format!("{}/session/{id}", browser.session);
        browser
    }

    pub(crate) async fn visit(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({"url": url})).await;
    }

    /// What a script in the page returns.
    pub(crate) async fn execute(&self, script: &str, args: &[&str]) -> Value {
        let script = json!({"script": script, "args": args});
        self.call(Method::POST, "/execute/sync", &script).await
    }

    /// The address of each request that the browser sent.
    pub(crate) async fn requested(&self) -> Vec<String> {
        let log = self
            .call(Method::POST, "/se/log", &json!({"type": "performance"}))
            .await;
        let lines = log.as_array().unwrap().iter();
        let events = lines.map(|line| -> Value {
            serde_json::from_str(line["message"].as_str().unwrap()).unwrap()
        });
        events
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .map(|event| {
                event["message"]["params"]["request"]["url"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self
            .client
            .request(method, format!("{}{path}", self.session))
            .json(body);
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].take()
    }
}
