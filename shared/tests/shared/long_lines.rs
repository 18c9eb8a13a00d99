//! A log line that is too long is cut, and a panic is logged with its place.

use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::base::line_writer::MAX_LINE_BYTES;
use shared::base::telemetry::{self, LogFilter, LogFormat};

/// With this variable the test is the process whose log is read. Its value is the format of the
/// log.
const FORMAT: &str = "LONG_LINES_FORMAT";
/// The name of this test.
const SELF: &str = "long_lines::a_line_of_a_megabyte_is_cut_and_a_panic_is_a_line_with_its_place";
const MEGABYTE: usize = 1024 * 1024;
const SMALL_PANIC: &str = "a short panic";
/// How long the whole process may take on a busy machine.
const PROMPT: Duration = Duration::from_secs(10);

/// Logs long lines, and panics twice in threads.
fn speak(format: &str) {
    let filter: LogFilter = "info".parse().unwrap();
    telemetry::init(format.parse::<LogFormat>().unwrap(), &filter, false).unwrap();
    let long = "\u{10384}\"".repeat(MEGABYTE / 5);
    tracing::info!(text = long, "a long field");
    tracing::error!("a long message: {long}");
    for message in [SMALL_PANIC, &long] {
        let message = message.to_owned();
        assert!(
            std::thread::spawn(move || std::panic::panic_any(message))
                .join()
                .is_err()
        );
    }
    tracing::info!("the last line");
    telemetry::finish();
}

/// The log of a process in this format, without the lines of the test harness.
fn lines(format: &str) -> Vec<String> {
    let started = Instant::now();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", SELF, "--test-threads=2"])
        .env(FORMAT, format)
        .stderr(Stdio::null());
    let output = command.output().unwrap();
    assert!(
        output.status.success() && started.elapsed() < PROMPT,
        "{:?}",
        started.elapsed()
    );
    let text = String::from_utf8(output.stdout).expect("a character was cut");
    let is_ours = |line: &&str| line.contains("INFO") || line.contains("ERROR");
    text.lines().filter(is_ours).map(str::to_owned).collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test starts itself, and tells the new process so"
)]
fn a_line_of_a_megabyte_is_cut_and_a_panic_is_a_line_with_its_place() {
    if let Ok(format) = env::var(FORMAT) {
        return speak(&format);
    }
    for format in ["json", "pretty"] {
        let lines = lines(format);
        assert_eq!(lines.len(), 5, "{format}: {lines:?}");
        assert!(
            lines.iter().all(|line| line.len() <= MAX_LINE_BYTES),
            "{format}"
        );
        for (number, words) in [
            (0, "a long field"),
            (1, "a long message: "),
            (2, SMALL_PANIC),
            (4, "the last line"),
        ] {
            assert!(lines[number].contains(words), "{format}: {}", lines[number]);
        }
        for number in [2, 3] {
            assert!(
                lines[number].contains("panic at "),
                "{format}: {}",
                lines[number]
            );
            assert!(
                lines[number].contains("long_lines.rs:"),
                "{format}: {}",
                lines[number]
            );
        }
        if format == "json" {
            for (number, line) in lines.iter().enumerate() {
                let line: Value = serde_json::from_str(line).unwrap();
                let bytes = line["cut_from_bytes"].as_u64().unwrap_or_default();
                assert_eq!(
                    bytes > MEGABYTE as u64,
                    [0, 1, 3].contains(&number),
                    "{line}"
                );
            }
        }
    }
}
