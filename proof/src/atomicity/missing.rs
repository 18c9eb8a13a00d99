//! Calls with missing or additional keys, arguments, fields and words.

use std::collections::BTreeSet;

use shared::redis::Command;

use super::{SpoilRig, Subject, Tally};
use crate::invocation::Invocation;
use crate::twin::snapshot::{Kept, read_all};

impl SpoilRig<'_> {
    /// Removes one field at a time of each hash, and removes or replaces one word at a time of each
    /// line.
    pub(super) async fn missing_fields(&self, subject: &Subject) -> Tally {
        let mut tally = Tally::default();
        let Subject {
            invocation,
            derived,
            ..
        } = subject;
        self.reset().await;
        let store = read_all(&self.private.operator).await;
        let keys: BTreeSet<&String> = invocation.keys.iter().chain(derived).collect();
        for key in keys {
            let fields = match store.get(key) {
                Some(Kept::Hash(fields)) => fields,
                Some(Kept::Text(line)) => {
                    tally += self.wrong_words(invocation, key, line).await;
                    continue;
                }
                _ => continue,
            };
            for field in fields.keys() {
                self.reset().await;
                let delete = Command::new("HDEL").key(key.as_str());
                self.private.ask(delete.arg(field.as_str())).await;
                let what = format!("{}: {key} has no {field}", invocation.function);
                let _ = self.observe(invocation, &what, &mut tally).await;
            }
        }
        tally
    }

    async fn wrong_words(&self, invocation: &Invocation, key: &str, line: &str) -> Tally {
        let mut tally = Tally::default();
        let words: Vec<&str> = line.split(' ').collect();
        for (place, word) in words.iter().enumerate() {
            for other in [
                None,
                Some(""),
                Some("x"),
                Some("-1"),
                Some("99999999999999.99"),
            ] {
                let (before, behind) = (&words[..place], &words[place + 1..]);
                let line = [before, other.as_slice(), behind].concat().join(" ");
                self.reset().await;
                self.private.set(key, &line).await;
                let what = format!("{}: {other:?} for {word} in {key}", invocation.function);
                let _ = self.observe(invocation, &what, &mut tally).await;
            }
        }
        tally
    }

    /// Leaves out keys and arguments, from the last one on, and adds one too many.
    pub(super) async fn wrong_counts(&self, subject: &Subject) -> Tally {
        let mut tally = Tally::default();
        let whole = &subject.invocation;
        let mut calls = Vec::new();
        for kept in 0..whole.args.len() {
            let args = whole.args[..kept].to_vec();
            calls.push(Invocation {
                args,
                ..whole.clone()
            });
        }
        for kept in 0..whole.keys.len() {
            let keys = whole.keys[..kept].to_vec();
            calls.push(Invocation {
                keys,
                ..whole.clone()
            });
        }
        calls.push(whole.clone().arg("x"));
        calls.push(whole.clone().key(whole.keys[0].clone()));
        for call in calls {
            let (keys, args) = (call.keys.len(), call.args.len());
            let what = format!("{}: {keys} keys and {args} arguments", call.function);
            self.reset().await;
            let _ = self.observe(&call, &what, &mut tally).await;
        }
        tally
    }
}
