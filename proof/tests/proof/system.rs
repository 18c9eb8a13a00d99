//! A whole system with proxies on its links, or with a supervisor.

use std::collections::HashSet;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use proof::links::Links;
use proof::supervisor::Supervisor;
use stack::client::client;
use stack::redis::Owner;
use stack::system::System;
use stack::wait::eventually;

use crate::support::LIMIT;

#[tokio::test]
async fn every_process_has_links_of_its_own() {
    let (builder, links) = Links::put_into(System::builder(), 1);
    let system = builder.start().await.unwrap();
    let payments = system.process("payments serve");
    let told = payments.launch().env.iter().rev();
    let url = told
        .clone()
        .find_map(|(name, url)| (name == "INVENTORY_URL").then_some(url));
    let port = links.to_inventory_http("payments serve").port();
    assert_eq!(url.unwrap(), &format!("http://127.0.0.1:{port}"));

    system.start_replica("inventory consume", 2).await.unwrap();
    let all = links.all();
    assert_eq!(all.len(), 2 + 2 + 3 + 3 + 2);
    let ports: HashSet<u16> = all.iter().map(|(_, proxy)| proxy.port()).collect();
    assert_eq!(ports.len(), all.len());
    let (name, last) = all.last().unwrap();
    assert_eq!(name, "inventory consume 2 -> payments store");
    let same = links.to_store("inventory consume 2", Owner::Payments);
    assert_eq!(same.port(), last.port());
    let counts = last.counts();
    assert!(counts.connections > 0, "the process went past its link");
}

#[tokio::test]
async fn a_supervised_process_comes_back_however_it_ends_until_the_system_does() {
    let builder = System::builder().without("payments consume");
    let system = builder.start().await.unwrap();
    let supervisor = Supervisor::start(system.members());
    let process = system.process("payments serve");
    let first = process.pid();
    process.kill();
    let back = || async { supervisor.restarts() == 1 && process.is_running() };
    eventually("the first restart", back).await;
    assert_ne!(process.pid(), first);
    system.wait_ready().await.unwrap();
    process.stop(LIMIT).await.unwrap();
    eventually("the second restart", async || supervisor.restarts() == 2).await;
    assert!(
        !system.process("payments consume").is_running(),
        "the process was never started"
    );

    let last = process.pid();
    drop((supervisor, system));
    let pid = Pid::from_raw(last.cast_signed());
    eventually("its end", async || kill(pid, None).is_err()).await;
    assert_eq!(process.pid(), last);
}

#[tokio::test]
async fn a_consumer_that_is_asked_before_it_reaches_its_new_store_finds_no_loss() {
    let consumer = "inventory consume";
    let builder = System::builder()
        .without("inventory serve")
        .without(consumer);
    let system = builder.start().await.unwrap();
    system.inventory_redis().pause();
    system.process(consumer).restart().unwrap();
    let url = format!("{}/readyz", system.url(consumer));
    let client = client(LIMIT).unwrap();
    let asked = || async {
        let answer = client.get(&url).send().await;
        answer.is_ok_and(|it| it.status() == 503)
    };
    eventually("the answer that it is not ready", asked).await;
    system.inventory_redis().resume();
    system.wait_process_ready(consumer).await.unwrap();
}
