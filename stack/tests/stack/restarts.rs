//! What `stack up` does when a process ends.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::ports::Ports;
use stack::wait::eventually;

use crate::support::{children_of, free_offset, is_alive, stand_ins, wait_dead};
use crate::up::{Up, command};

/// Longer than the shortest pause before a restart, and far shorter than the longest.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The server process of payments' store. The server shows its address in its command line.
fn store_of(parent: u32, offset: u16) -> Option<u32> {
    let address = format!(
        "127.0.0.1:{}",
        Ports::standard(offset).unwrap().payments_redis
    );
    let line = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    children_of(parent)
        .into_iter()
        .find(|pid| line(*pid).contains(&address))
}

/// Kills payments' store, and returns the id of the killed process.
fn kill_store(up: &Up, offset: u16) -> u32 {
    let store = store_of(up.child.id(), offset).unwrap();
    kill(Pid::from_raw(store.cast_signed()), Signal::SIGKILL).unwrap();
    store
}

/// Ends the run with Ctrl-C, and asserts that no process is left.
async fn end_well(mut up: Up) {
    let children = children_of(up.child.id());
    up.signal(Signal::SIGINT);
    assert_eq!(up.end().0, Some(0));
    wait_dead(&children).await;
}

/// Damages the file of payments' store in its middle.
fn damage(data: &Path) {
    let parts = fs::read_dir(data.join("payments/appendonlydir")).unwrap();
    let path = parts.map(|entry| entry.unwrap().path());
    let newest = path
        .filter(|path| path.extension().is_some_and(|end| end == "aof"))
        .last();
    let mut file = OpenOptions::new()
        .append(true)
        .open(newest.unwrap())
        .unwrap();
    file.write_all(b"this is no command\r\n*1\r\n$4\r\nPING\r\n")
        .unwrap();
}

#[tokio::test]
async fn a_service_that_crashes_is_named_with_its_last_lines_and_started_again() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let up = Up::start(command(bin.path(), data.path(), free_offset(1)));
    for _ in 0..2 {
        fs::write(bin.path().join("crash-payments-serve"), "").unwrap();
        up.lines_until(|line| line.ends_with("| the reason of the crash"));
        up.lines_until(|line| line.contains("payments serve listens, pid"));
    }
    end_well(up).await;
}

#[tokio::test]
async fn repeated_ends_of_a_process_are_reported_now_and_then() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let mut up = Up::start(command(bin.path(), data.path(), free_offset(10)));
    let mut said = Vec::new();
    for _ in 0..4 {
        fs::write(bin.path().join("crash-payments-serve"), "").unwrap();
        said.extend(up.lines_until(|line| line.contains("payments serve listens, pid")));
    }
    up.signal(Signal::SIGINT);
    let (code, rest) = up.end();
    assert_eq!(code, Some(0));
    let said = format!("{}\n{rest}", said.join("\n"));
    assert_eq!(said.matches("`payments serve` ended").count(), 1, "{said}");
    assert_eq!(
        said.matches("starting `payments serve` again").count(),
        1,
        "{said}"
    );
}

#[tokio::test]
async fn a_store_that_is_killed_is_named_and_started_again_on_its_data() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let offset = free_offset(2);
    let up = Up::start(command(bin.path(), data.path(), offset));
    let killed = kill_store(&up, offset);
    let told = up.lines_until(|line| line.contains("starting `payments redis` again"));
    let told = told.join("\n");
    assert!(
        told.contains("`payments redis` ended with signal: 9"),
        "{told}"
    );
    assert!(told.contains(" MiB are free on its disk"), "{told}");
    let other = async || store_of(up.child.id(), offset).filter(|pid| *pid != killed);
    assert!(is_alive(eventually("another server", other).await));
    end_well(up).await;
}

#[tokio::test]
async fn a_store_whose_file_is_damaged_is_quoted_and_ends_the_run() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let offset = free_offset(11);
    let mut up = Up::start(command(bin.path(), data.path(), offset));
    damage(data.path());
    kill_store(&up, offset);
    let (code, text) = up.end();
    assert_eq!(code, Some(1));
    assert!(
        text.contains("Bad file format reading the append only file"),
        "{text}"
    );
    assert!(
        text.contains("`payments redis` ended with exit status: 1"),
        "{text}"
    );
    wait_dead(&up.children).await;
}

#[tokio::test]
async fn ctrl_c_ends_a_run_at_once_while_a_process_waits_for_its_next_start() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let offset = free_offset(15);
    let mut up = Up::start(command(bin.path(), data.path(), offset));
    let children = children_of(up.child.id());
    // From now on the program is missing, so the pauses between starts grow.
    fs::rename(bin.path().join("payments"), bin.path().join("gone")).unwrap();
    fs::write(bin.path().join("crash-payments-serve"), "").unwrap();
    up.lines_until(|line| line.contains("starting `payments serve` again"));
    let asked = Instant::now();
    up.signal(Signal::SIGTERM);
    assert_eq!(up.end().0, Some(0));
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    wait_dead(&children).await;
}
