//! Placeholders for values that a twin cannot know beforehand: the readings of the store's clock,
//! and the ids that the store gives to stream entries.
//!
//! A twin writes a placeholder in place of such a value. The first value that is found there binds
//! the placeholder, and every later place has to hold the same value. So everything that one step
//! writes has to have one time, and a reference to an entry has to name that entry.

use std::collections::BTreeMap;
use std::fmt::Display;

use shared::contract::event::Event;
use shared::contract::time::Timestamp;

use super::snapshot::{Kept, Row, Snapshot};

/// The time by which the clock may go back within a history: machines set it back by a millisecond
/// now and then.
const SET_BACK_MS: u64 = 100;
/// The largest number of changes of one step in one entry of the stream `changes`.
const CHANGES_PER_ENTRY: usize = 16;
/// The number of characters of a time in RFC 3339 with milliseconds.
const DATE_LENGTH: usize = 24;

/// Placeholder for a time in milliseconds: `later_ms` milliseconds after `step`.
pub fn at(step: usize, later_ms: u64) -> String {
    format!("⟦at {step} {later_ms}⟧")
}

/// Placeholder for the time of `step` in RFC 3339.
pub fn date(step: usize) -> String {
    format!("⟦date {step}⟧")
}

/// Placeholder for a remaining wait in milliseconds: from step `now` until `later_ms` after `step`.
pub fn until(step: usize, later_ms: u64, now: usize) -> String {
    format!("⟦until {step} {later_ms} {now}⟧")
}

/// Placeholder for the id of an entry: `place` is its position in the stream, from 0.
pub fn entry(stream: &str, place: usize) -> String {
    format!("⟦entry {stream} {place}⟧")
}

/// Placeholder for the id of an entry without its first digit.
pub fn short_entry(stream: &str, place: usize) -> String {
    format!("⟦short {stream} {place}⟧")
}

/// The entries of a stream whose ids stand nowhere else, as rows that match any id.
pub fn rows(entries: impl IntoIterator<Item = Vec<(String, String)>>) -> Kept {
    Kept::Stream(
        entries
            .into_iter()
            .map(|fields| ("⟦id⟧".to_owned(), fields))
            .collect(),
    )
}

/// The entries of the stream `changes`: for each step, the kind of change and the changed ids.
pub fn changes<Id: Display>(steps: &[(&str, Vec<Id>)]) -> Kept {
    let field = |name: &str, value: String| (name.to_owned(), value);
    rows(steps.iter().flat_map(|(kind, changed)| {
        changed.chunks(CHANGES_PER_ENTRY).map(move |told| {
            let ids: Vec<String> = told.iter().map(Id::to_string).collect();
            vec![
                field("kind", (*kind).to_owned()),
                field("ids", ids.join(" ")),
            ]
        })
    }))
}

/// The fields of an event that a step emits.
pub fn event<E: Event>(event: &E, step: usize) -> Vec<(String, String)> {
    let fields = event.encode().into_iter();
    fields
        .map(|(name, value)| {
            (
                name.to_owned(),
                if name == "ce_time" { date(step) } else { value },
            )
        })
        .collect()
}

/// The known times of the steps of one history, by the clock of the store.
#[derive(Debug, Default)]
pub struct Instants(BTreeMap<usize, u64>);

/// Compares the expected content of a store with the content that was found.
pub struct Matcher<'a> {
    instants: &'a mut Instants,
    found: &'a Snapshot,
}

type Outcome = Result<(), String>;

impl Instants {
    /// Fails if the times of the steps are out of order, or outside the time of the history.
    pub fn check(&self, earliest: u64, latest: u64) -> Outcome {
        let mut before = earliest;
        for (step, &ms) in &self.0 {
            if ms + SET_BACK_MS < before || ms > latest + SET_BACK_MS {
                return Err(format!(
                    "step {step} happened at {ms}, not in {before}..={latest}"
                ));
            }
            before = before.max(ms);
        }
        Ok(())
    }

    fn bind(&mut self, step: usize, ms: u64) -> Outcome {
        let known = *self.0.entry(step).or_insert(ms);
        if known == ms {
            return Ok(());
        }
        Err(format!("step {step} happened at {known} and at {ms}"))
    }
}

impl<'a> Matcher<'a> {
    /// A matcher that looks up the entries of streams in `found`.
    pub fn new(instants: &'a mut Instants, found: &'a Snapshot) -> Self {
        Self { instants, found }
    }

    /// Compares the whole store. A key with an empty expected content must not exist.
    pub fn store(&mut self, expected: &Snapshot) -> Outcome {
        let found = self.found;
        for (key, kept) in expected {
            match found.get(key) {
                Some(there) => self
                    .kept(kept, there)
                    .map_err(|error| format!("{key}: {error}"))?,
                None if kept.is_empty() => {}
                None => return Err(format!("{key} is missing, expected {kept:?}")),
            }
        }
        match found.iter().find(|(key, _)| !expected.contains_key(*key)) {
            Some((key, kept)) => Err(format!("{key} should not exist: {kept:?}")),
            None => Ok(()),
        }
    }

    /// Compares one key.
    pub fn kept(&mut self, expected: &Kept, found: &Kept) -> Outcome {
        match (expected, found) {
            (Kept::Text(expected), Kept::Text(found)) => self.text(expected, found),
            (Kept::Hash(expected), Kept::Hash(found))
            | (Kept::Sorted(expected), Kept::Sorted(found)) => self.fields(expected, found),
            (Kept::Stream(expected), Kept::Stream(found)) => self.stream(expected, found),
            (expected, found) if expected == found => Ok(()),
            _ => Err(format!("expected {expected:?}, found {found:?}")),
        }
    }

    /// Compares one text.
    pub fn text(&mut self, expected: &str, found: &str) -> Outcome {
        let differs = || format!("expected {expected:?}, found {found:?}");
        let (mut pattern, mut rest) = (expected, found);
        while let Some((literal, behind)) = pattern.split_once('⟦') {
            let (placeholder, next) = behind.split_once('⟧').ok_or_else(differs)?;
            rest = rest.strip_prefix(literal).ok_or_else(differs)?;
            let length = match placeholder.split(' ').next() {
                Some("date") => DATE_LENGTH.min(rest.len()),
                _ => rest
                    .bytes()
                    .take_while(|b| b.is_ascii_digit() || *b == b'-')
                    .count(),
            };
            let (value, after) = rest.split_at_checked(length).ok_or_else(differs)?;
            self.placeholder(placeholder, value)
                .map_err(|error| format!("{error}: {}", differs()))?;
            (pattern, rest) = (next, after);
        }
        if pattern == rest {
            Ok(())
        } else {
            Err(differs())
        }
    }

    fn fields(
        &mut self,
        expected: &BTreeMap<String, String>,
        found: &BTreeMap<String, String>,
    ) -> Outcome {
        for (name, value) in expected {
            let there = found
                .get(name)
                .ok_or_else(|| format!("no {name} in {found:?}"))?;
            self.text(value, there)
                .map_err(|error| format!("{name}: {error}"))?;
        }
        match found.keys().find(|name| !expected.contains_key(*name)) {
            Some(name) => Err(format!("{name} should not be in {found:?}")),
            None => Ok(()),
        }
    }

    fn stream(&mut self, expected: &[Row], found: &[Row]) -> Outcome {
        for (place, (expected, found)) in expected.iter().zip(found).enumerate() {
            let same_names = expected.1.iter().map(|(name, _)| name);
            if !same_names.eq(found.1.iter().map(|(name, _)| name)) {
                return Err(format!(
                    "entry {place}: expected {expected:?}, found {found:?}"
                ));
            }
            self.text(&expected.0, &found.0)?;
            for ((name, expected), (_, found)) in expected.1.iter().zip(&found.1) {
                self.text(expected, found)
                    .map_err(|error| format!("entry {place}, {name}: {error}"))?;
            }
        }
        if expected.len() == found.len() {
            return Ok(());
        }
        Err(format!(
            "{} entries, expected {}: {found:?}",
            found.len(),
            expected.len()
        ))
    }

    fn placeholder(&mut self, placeholder: &str, value: &str) -> Outcome {
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|error| format!("{text:?}: {error}"))
        };
        let step = |text: &str| text.parse::<usize>().map_err(|error| error.to_string());
        match placeholder.split(' ').collect::<Vec<_>>()[..] {
            ["at", at, later] => {
                let ms = number(value)?.checked_sub(number(later)?);
                self.instants.bind(step(at)?, ms.ok_or("before its time")?)
            }
            ["date", at] => {
                let time: Timestamp = value.parse().map_err(|_| "no time".to_owned())?;
                self.instants.bind(step(at)?, time.as_millis())
            }
            ["until", at, later, now] => {
                let then = self
                    .instants
                    .0
                    .get(&step(at)?)
                    .ok_or("the time of a step that is not known yet")?;
                let ms = (then + number(later)?).checked_sub(number(value)?);
                self.instants.bind(step(now)?, ms.ok_or("before its time")?)
            }
            [kind @ ("entry" | "short"), stream, place] => {
                let Some(Kept::Stream(rows)) = self.found.get(stream) else {
                    return Err(format!("no stream {stream}"));
                };
                let there = rows.get(step(place)?).map(|(id, _)| id.as_str());
                let there = there.map(|id| if kind == "short" { &id[1..] } else { id });
                if there == Some(value) {
                    Ok(())
                } else {
                    Err(format!("the entry is {there:?}"))
                }
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
