//! A process can depend on anything that can be opened, not only on a Redis store.

use std::time::Duration;

use reqwest::StatusCode;
use shared::base::config::Reader;
use shared::base::health::Check;
use shared::base::shutdown::Shutdown;
use shared::http::routes::Routes;
use shared::service::process::Process;
use shared::service::settings::{Defaults, ServiceSettings};
use stack::client;
use stack::ports::{self, Port};
use stack::wait::eventually;
use tokio::sync::oneshot;

/// The settings of a service that listens on a free port.
fn settings(port: &Port) -> ServiceSettings {
    let address = format!("127.0.0.1:{}", port.number());
    let mut reader =
        Reader::from_source(move |name| (name == "HTTP_ADDR").then(|| address.clone()));
    let defaults = Defaults {
        service: "test",
        commit: "none",
        http_addr: "127.0.0.1:0",
    };
    ServiceSettings::read(&mut reader, defaults).unwrap()
}

async fn readiness(port: &Port) -> Option<(StatusCode, String)> {
    let url = format!("http://127.0.0.1:{}/readyz", port.number());
    let answer = client::get(url).await.ok()?;
    Some((answer.status(), answer.text().await.ok()?))
}

#[tokio::test]
async fn a_process_waits_for_each_dependency_before_its_tasks_begin() {
    let (port, stop) = (ports::free().unwrap(), Shutdown::new());
    let mut process = Process::new(stop.clone());
    let (database, opening) = oneshot::channel::<()>();
    process.open("database", async { Ok(opening.await?) });
    process.open("broker", async { Ok(()) });
    process.check(Check::new("disk", || Box::pin(async { Ok(()) })));
    let (began, beginning) = oneshot::channel();
    process.run_loop("work", |progress, stop| async move {
        progress.mark();
        let _ = began.send(());
        stop.cancelled().await;
    });

    let test = async {
        let waits = || async {
            readiness(&port).await.is_some_and(|(status, text)| {
                status == 503
                    && text.contains("database: not opened yet")
                    && text.contains("work: has not begun")
                    && !text.contains("broker")
                    && !text.contains("disk")
            })
        };
        eventually("a process that waits", waits).await;
        database.send(()).unwrap();
        beginning.await.unwrap();
        let ready = || async {
            readiness(&port)
                .await
                .is_some_and(|(status, _)| status == 200)
        };
        eventually("a process that is ready", ready).await;
        stop.cancel();
    };
    let settings = settings(&port);
    let (served, ()) = tokio::join!(process.serve(&settings, Routes::default()), test);
    served.unwrap();
}

#[tokio::test]
async fn a_dependency_that_cannot_be_opened_ends_the_process() {
    let port = ports::free().unwrap();
    let mut process = Process::new(Shutdown::new());
    process.open("database", async { anyhow::bail!("no such host") });
    let settings = settings(&port);
    let serving = process.serve(&settings, Routes::default());
    let served = tokio::time::timeout(Duration::from_secs(30), serving).await;
    let error = served.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no such host");
}
