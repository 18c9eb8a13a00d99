//! The times from the request of an order to each of its steps.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use stack::load::Answer;
use stack::number::float;

use crate::catalogue::order_id;

/// The time at which the request of each order should have been sent, in microseconds since the
/// epoch.
pub(super) fn sent_orders(kept: &[(u64, Answer)]) -> Result<HashMap<String, u64>> {
    let sent =
        |(_, answer): &(u64, Answer)| Ok((order_id(answer)?.to_string(), micros(answer.meant)));
    kept.iter().map(sent).collect()
}

/// The times from the request of each order to its step, in microseconds, sorted. The stores have
/// the clock of this machine.
pub(super) fn since_sent(sent: &HashMap<String, u64>, steps: &HashMap<&[u8], u64>) -> Vec<f64> {
    let wait = |(order, sent): (&String, &u64)| {
        Some(float(steps.get(order.as_bytes())?.saturating_sub(*sent)))
    };
    let mut waits: Vec<f64> = sent.iter().filter_map(wait).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_from_the_request_to_the_step_of_the_same_order() {
        let sent = [("a", 100), ("b", 200), ("c", 300)];
        let sent = sent.map(|(order, at)| (order.to_owned(), at)).into();
        let steps: HashMap<&[u8], u64> =
            [(&b"b"[..], 250), (&b"a"[..], 190), (&b"other"[..], 900)].into();
        assert_eq!(since_sent(&sent, &steps), [50.0, 90.0]);
    }
}
