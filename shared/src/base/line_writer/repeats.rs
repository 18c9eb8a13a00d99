//! A log line that is repeated is written once, and then counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often the count of a repeated line is written. A line that was not repeated for this long is
/// forgotten, and written as a new line the next time.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Most different lines that are remembered. For one more, the oldest line without repetitions is
/// forgotten. If every line has repetitions, the new line is written and not remembered.
const MAX_LINES: usize = 64;

/// The lines of the last 10 s, by their text without the time.
#[derive(Default)]
pub(super) struct Repeats(HashMap<Vec<u8>, Said>);

/// When a line was logged, and how often.
struct Said {
    /// When the line, or its count, was last written.
    at: Instant,
    /// How often the line was logged since `at`.
    again: u64,
    /// The time in front of the latest repetition.
    time: Vec<u8>,
}

impl Repeats {
    /// Whether a line has to be written now. If not, the line is counted.
    pub(super) fn is_news(&mut self, line: &[u8], now: Instant) -> bool {
        let (time, text) = line.split_at(end_of_time(line));
        if let Some(said) = self.0.get_mut(text) {
            said.again += 1;
            said.time.clear();
            said.time.extend_from_slice(time);
            return false;
        }
        if self.0.len() == MAX_LINES {
            self.forget_one();
        }
        if self.0.len() < MAX_LINES {
            self.0.insert(
                text.to_vec(),
                Said {
                    at: now,
                    again: 0,
                    time: time.to_vec(),
                },
            );
        }
        true
    }

    fn forget_one(&mut self) {
        let unrepeated = self.0.iter().filter(|(_, said)| said.again == 0);
        let oldest = unrepeated
            .min_by_key(|(_, said)| said.at)
            .map(|(text, _)| text.clone());
        if let Some(oldest) = oldest {
            self.0.remove(&oldest);
        }
    }

    /// When the next count has to be written, or the next line forgotten.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().map(|said| said.at + TOLD_EVERY).min()
    }

    /// A repeated line with its count, if a count is due. With `all`, every repeated line is due.
    pub(super) fn told(&mut self, now: Instant, all: bool) -> Option<Vec<u8>> {
        self.0
            .retain(|_, said| said.again > 0 || now < said.at + TOLD_EVERY);
        let is_due = |said: &Said| said.again > 0 && (all || now >= said.at + TOLD_EVERY);
        let (text, said) = self.0.iter_mut().find(|(_, said)| is_due(said))?;
        let passed = now.duration_since(said.at).as_secs().max(1);
        let times = std::mem::take(&mut said.again);
        said.at = now;
        Some(with_count(
            &[said.time.as_slice(), text].concat(),
            times,
            passed,
        ))
    }
}

/// Where the time at the beginning of a line ends, in both log formats.
fn end_of_time(line: &[u8]) -> usize {
    line.iter()
        .position(|byte| matches!(byte, b' ' | b','))
        .unwrap_or(0)
}

/// The line, with the number of its repetitions added.
fn with_count(line: &[u8], times: u64, seconds: u64) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match line.strip_suffix(b"}") {
        Some(fields) if line.starts_with(b"{") => {
            let count = format!(",\"repeated\":{times},\"within_seconds\":{seconds}}}\n");
            [fields, count.as_bytes()].concat()
        }
        _ => {
            let count = format!(" (repeated {times} times in the last {seconds} s)\n");
            [line, count.as_bytes()].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(100);

    fn told(repeats: &mut Repeats, now: Instant, all: bool) -> Vec<String> {
        let lines = std::iter::from_fn(|| repeats.told(now, all));
        lines.map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn a_line_that_is_said_ten_times_a_second_is_written_once_and_then_counted() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut now = start;
        let mut written = 0;
        for number in 0..100 {
            now = start + PAUSE * number;
            let line = format!("12:00:{number:02}Z  WARN cannot accept\n");
            written += u32::from(repeats.is_news(line.as_bytes(), now));
            assert!(told(&mut repeats, now, false).is_empty());
        }
        assert_eq!(written, 1);
        assert_eq!(repeats.next_due(), Some(start + TOLD_EVERY));
        let end = now + PAUSE;
        let count = "12:00:99Z  WARN cannot accept (repeated 99 times in the last 10 s)\n";
        assert_eq!(told(&mut repeats, end, false), [count]);
        assert!(told(&mut repeats, end, true).is_empty());
        assert!(!repeats.is_news(b"12:01:00Z  WARN cannot accept\n", end));
        let count = "12:01:00Z  WARN cannot accept (repeated 1 times in the last 1 s)\n";
        assert_eq!(told(&mut repeats, end, true), [count]);
        assert!(told(&mut repeats, end + TOLD_EVERY, false).is_empty());
        assert_eq!(repeats.next_due(), None);
        assert!(repeats.is_news(b"12:02:00Z  WARN cannot accept\n", end + TOLD_EVERY));
    }

    #[test]
    fn the_count_of_a_json_line_is_two_fields() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        for second in 0..3 {
            let line = format!("{{\"timestamp\":\"{second}\",\"message\":\"late, again\"}}\n");
            assert_eq!(repeats.is_news(line.as_bytes(), now), second == 0);
        }
        let count = "{\"timestamp\":\"2\",\"message\":\"late, again\",\"repeated\":2,\"within_seconds\":5}\n";
        assert_eq!(
            told(&mut repeats, now + Duration::from_secs(5), true),
            [count]
        );
    }

    #[test]
    fn memory_for_repeats_is_bounded() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let line = |number| format!("12:00Z {number}\n").into_bytes();
        for number in 0..2 * MAX_LINES {
            assert!(repeats.is_news(&line(number), now + PAUSE * u32::try_from(number).unwrap()));
            // A line that repeats stays. A line that does not repeat makes room.
            assert!(number == 0 || !repeats.is_news(&line(0), now));
        }
        assert_eq!(repeats.0.len(), MAX_LINES);
        for number in MAX_LINES + 1..2 * MAX_LINES {
            assert!(!repeats.is_news(&line(number), now));
        }
        // Each is repeated now: there is no room for another.
        for _ in 0..2 {
            assert!(repeats.is_news(&line(2 * MAX_LINES), now));
        }
    }
}
