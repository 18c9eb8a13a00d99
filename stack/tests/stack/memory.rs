//! A process that may use as much memory as its container.

use std::fs;

use stack::memory::SERVICE_LIMIT;
use stack::process::{Launch, Process};
use stack::wait::eventually;
use stack::{memory, project};

use crate::support::{LIMIT, guard, shell, stack_binary};

const MIB: u64 = 1024 * 1024;

/// A process that takes this many MiB, gives them back, says so, and waits.
fn taker(mib: u64) -> Launch {
    let code = format!("b = b'x' * ({mib} << 20); del b; print('taken', flush=True)");
    let code = format!("{code}; import time; time.sleep(600)");
    let launch = Launch {
        program: "python3".into(),
        args: vec!["-c".into(), code.into()],
        ..shell("")
    };
    memory::limited(launch, &stack_binary())
}

#[test]
fn the_limit_is_that_of_the_containers() {
    let compose = fs::read_to_string(project::root().join("compose.yaml")).unwrap();
    let service = compose.split("x-service: &service").nth(1).unwrap();
    let limit = service
        .lines()
        .find_map(|line| line.trim().strip_prefix("mem_limit: "))
        .unwrap();
    let mib: u64 = limit.strip_suffix('m').unwrap().parse().unwrap();
    assert_eq!(mib * MIB, SERVICE_LIMIT);
}

#[tokio::test]
async fn a_process_may_use_what_its_container_has_and_tells_how_much_it_used() {
    let modest = Process::start(taker(100), guard(), None).unwrap();
    let taken = || async { modest.last_lines(1) == ["taken"] };
    eventually("what it takes", taken).await;
    let peak = memory::peak(&modest).unwrap();
    assert!((100 * MIB..200 * MIB).contains(&peak), "{peak}");
    modest.kill();
    assert!(memory::peak(&modest).is_err(), "the process has ended");

    let greedy = Process::start(taker(SERVICE_LIMIT / MIB), guard(), None).unwrap();
    assert!(!greedy.wait(LIMIT).await.unwrap().success());
    greedy.drain_output().await;
    assert_eq!(greedy.last_lines(1), ["MemoryError"]);
}
