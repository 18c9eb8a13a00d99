//! `NothingLeftOver` and `NothingTrimmedUnread`: whether work is left, and whether entries are
//! missing.

use std::collections::HashSet;

use stack::redis::Owner;

use super::stores::Stream;
use super::{Evidence, Finding, Rule};

/// `NothingLeftOver`: no order is due, no entry is pending or unread, and the dead letters are
/// exactly the poison that the harness planted.
pub(super) fn empty(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::NothingLeftOver);
    let stores = evidence.stores;
    finding.expect(stores.due.is_empty(), || {
        format!("orders still due: {:?}", stores.due)
    });
    finding.expect(stores.attempts.is_empty(), || {
        format!("attempts are still counted: {:?}", stores.attempts)
    });
    for (name, stream, group) in [
        ("order_completed", &stores.completed, "inventory-group"),
        ("refund_order", &stores.refunds, "payment-group"),
    ] {
        let Some((pending, given)) = stream.groups.get(group) else {
            finding.expect(false, || format!("{name} has no group {group}"));
            continue;
        };
        finding.expect(*pending == 0, || {
            format!("{name}: {pending} entries are pending")
        });
        let end = stream.entries.last().map_or(given, |event| &event.entry);
        finding.expect(id(given) >= id(end), || {
            format!("{name} ends at {end}, its group is at {given}")
        });
    }
    dead_letters(evidence, &mut finding);
    finding
}

fn dead_letters(evidence: &Evidence<'_>, finding: &mut Finding) {
    let trimmed = evidence.orders_trimmed();
    let mut parked = HashSet::new();
    let (completed, refunds) = (&evidence.stores.completed, &evidence.stores.refunds);
    for letter in &evidence.stores.dead_letters {
        let stream = if letter.from == Owner::Payments {
            completed
        } else {
            refunds
        };
        // A large entry is parked without its fields, so the mark of the harness is missing in
        // the dead letter. The entry in the stream still has it.
        let planted = stream
            .entries
            .iter()
            .any(|event| event.poison && event.entry == letter.entry);
        if letter.poison || planted {
            parked.insert((letter.from.name(), letter.entry.as_str()));
            continue;
        }
        // A pending entry that the harness trimmed is parked without its fields. A refund cannot
        // be done if a crash lost its order.
        let removed = letter.reason == "entry_trimmed" && !trimmed.is_empty();
        let orphaned = letter.reason == "order_not_found" && evidence.window_ms > 0;
        finding.expect(removed || orphaned, || {
            format!("parked although it is no poison: {letter:?}")
        });
    }
    for (from, stream) in [(Owner::Payments, completed), (Owner::Inventory, refunds)] {
        for poison in stream.entries.iter().filter(|event| event.poison) {
            let found = parked.contains(&(from.name(), poison.entry.as_str()));
            finding.expect(found, || format!("poison {} was not parked", poison.entry));
        }
    }
}

/// `NothingTrimmedUnread`: the streams hold every entry that was ever added, except those that the
/// harness trimmed.
pub(super) fn nothing_trimmed(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::NothingTrimmedUnread);
    for (name, stream, store) in [
        (
            "order_completed",
            &evidence.stores.completed,
            Owner::Payments,
        ),
        ("refund_order", &evidence.stores.refunds, Owner::Inventory),
    ] {
        let removed = evidence
            .declared
            .trimmed
            .iter()
            .filter(|entry| entry.store == store)
            .count();
        let expected = stream.entries.len() + removed;
        if u64::try_from(expected) != Ok(stream.added) {
            finding.blame(format!(
                "{name}: {} were added, {} are there, {removed} were removed by hand",
                stream.added,
                stream.entries.len()
            ));
        }
        finding.facts += stream.entries.len();
        if !is_sorted(stream) {
            finding.blame(format!("{name} is out of order"));
        }
    }
    finding
}

fn is_sorted(stream: &Stream) -> bool {
    let ids: Vec<_> = stream
        .entries
        .iter()
        .map(|event| id(&event.entry))
        .collect();
    ids.iter().all(Option::is_some) && ids.is_sorted()
}

/// The two numbers of an entry's id.
fn id(entry: &str) -> Option<(u64, u64)> {
    let (ms, sequence) = entry.split_once('-')?;
    Some((ms.parse().ok()?, sequence.parse().ok()?))
}
