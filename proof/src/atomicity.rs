//! All or nothing: calls a function with wrong arguments, or on a store with wrong content.
//!
//! A Lua error does not undo the writes before it, so a function has to check everything before it
//! writes. [`SpoilRig`] sets up the same store again and again, spoils one thing, calls the
//! function, and compares the whole store before and after. A function that answers an error must
//! have changed nothing.

use futures_util::future::join_all;
use odd::{NUMBERS, TYPES};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use shared::redis::{Command, RedisError, Reply};
use shared::store::Store;
use shared::store::function::IDENTITY;
use shared::store::partition::Partition;
use stack::private_store::PrivateStore;

use crate::invocation::Invocation;
use crate::order_line;
pub use subject::{Subject, Tally};

mod missing;
mod odd;
mod subject;

/// The most digits of a whole number that Lua keeps exactly, and of a number to which Redis can
/// still add.
const DIGITS: usize = 15;
const SUM_DIGITS: usize = 18;

/// Answers each key with a fingerprint of its content, in one step.
const FINGERPRINTS: &str = r"
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  found[#found + 1] = redis.sha1hex(redis.call('DUMP', key))
end
return found
";

type Fingerprints = BTreeMap<String, String>;

/// A store that can be set up again.
pub struct SpoilRig<'a> {
    /// The server.
    pub private: &'a PrivateStore,
    /// The same server as the service sees it.
    pub store: &'a Store,
    /// The content of the store before each call: the dump of each key.
    pub baseline: BTreeMap<String, Vec<u8>>,
    /// The type that a key has.
    pub type_of: fn(&str) -> &'static str,
}

impl SpoilRig<'_> {
    /// Spoils every part of each call and of its store. Reports about it, and answers the numbers
    /// of calls: those with keys of wrong types, and all others.
    ///
    /// # Panics
    ///
    /// When a call changed only a part, or did not refuse what it has to refuse.
    pub async fn spoil_everything(&self, suite: &str, subjects: &[Subject]) -> (Tally, Tally) {
        // This test is not about the disk, so the store does not wait for it.
        self.private.operate("CONFIG", "SET appendonly no").await;
        let (mut types, mut others) = (Tally::default(), Tally::default());
        for subject in subjects {
            types += self.wrong_types(subject).await;
            others += self.odd_numbers(subject).await;
            others += self.wrong_counts(subject).await;
            others += self.missing_fields(subject).await;
        }
        // Written past the test harness, which captures `print!`.
        let _ = writeln!(
            std::io::stderr(),
            "{suite}: all or nothing in {types} with keys of wrong types, and in {others} with odd \
             numbers, missing fields, keys and arguments"
        );
        (types, others)
    }

    /// Replaces each key of the call by a value of every other type. The call has to be refused. If
    /// the key is optional, the call has to do all the rest.
    async fn wrong_types(&self, subject: &Subject) -> Tally {
        let mut tally = Tally::default();
        let Subject {
            invocation,
            derived,
            optional,
            ..
        } = subject;
        self.reset().await;
        let before = self.fingerprints().await;
        self.invoke(invocation)
            .await
            .expect("the call does something");
        let usual = changes(&before, &self.fingerprints().await);
        assert!(!usual.is_empty(), "{invocation:?} changes nothing");

        let keys = invocation
            .keys
            .iter()
            .chain(derived)
            .cloned()
            .chain([IDENTITY.to_owned()]);
        for key in keys.collect::<BTreeSet<_>>() {
            for (kind, command, words) in TYPES {
                if kind == (self.type_of)(&key) {
                    continue;
                }
                self.reset().await;
                self.private
                    .ask(Command::new("DEL").key(key.as_str()))
                    .await;
                let words = words.iter().copied();
                self.private
                    .ask(Command::new(command).key(key.as_str()).args(words))
                    .await;
                let what = format!("{}: {key} is a {kind}", invocation.function);
                let (reply, changed) = self.observe(invocation, &what, &mut tally).await;
                if optional.contains(&key) {
                    let rest: BTreeSet<_> = usual.iter().filter(|name| **name != key).collect();
                    assert_eq!(
                        changed.iter().collect::<BTreeSet<_>>(),
                        rest,
                        "{what}: {reply:?}"
                    );
                } else {
                    assert!(reply.is_err(), "{what}: {reply:?}");
                }
            }
        }
        tally
    }

    /// Replaces numbers by other texts, in arguments and in the store. A text that is not a whole
    /// number has to be refused.
    async fn odd_numbers(&self, subject: &Subject) -> Tally {
        let mut tally = Tally::default();
        for number in NUMBERS {
            for &place in subject.numbers.iter().chain(&subject.passed_on) {
                let mut invocation = subject.invocation.clone();
                number.clone_into(&mut invocation.args[place]);
                let what = format!("{}: argument {place} is {number:?}", invocation.function);
                self.reset().await;
                let (reply, _) = self.observe(&invocation, &what, &mut tally).await;
                let may = is_whole(number, DIGITS) || subject.passed_on.contains(&place);
                assert!(may || reply.is_err(), "{what}: {reply:?}");
            }
            for (key, field) in &subject.sums {
                let what = format!("{}: {field} is {number:?}", subject.invocation.function);
                self.reset().await;
                let set = Command::new("HSET").key(key.as_str());
                self.private.ask(set.arg(*field).arg(number)).await;
                let (reply, _) = self.observe(&subject.invocation, &what, &mut tally).await;
                assert!(
                    is_whole(number, SUM_DIGITS) || reply.is_err(),
                    "{what}: {reply:?}"
                );
            }
            for (key, place) in &subject.words {
                let what = format!(
                    "{}: word {place} is {number:?}",
                    subject.invocation.function
                );
                self.reset().await;
                self.rewrite(key, |words| number.clone_into(&mut words[*place]))
                    .await;
                let (reply, _) = self.observe(&subject.invocation, &what, &mut tally).await;
                assert!(
                    is_whole(number, DIGITS) || reply.is_err(),
                    "{what}: {reply:?}"
                );
            }
        }
        tally
    }

    /// Changes the words of a line.
    async fn rewrite(&self, key: &str, change: impl FnOnce(&mut Vec<String>)) {
        let line = order_line::changed(&self.private.get(key).await, change);
        self.private.set(key, &line).await;
    }

    /// Sets the store up again.
    pub async fn reset(&self) {
        self.private.ask(Command::new("FLUSHALL")).await;
        let restores = self.baseline.iter().map(|(key, value)| {
            let restore = Command::new("RESTORE").key(key.as_str());
            self.private.ask(restore.arg(0).arg(value.as_slice()))
        });
        join_all(restores).await;
    }

    /// Makes a call as the service does.
    pub async fn invoke(&self, invocation: &Invocation) -> Result<Reply, RedisError> {
        self.store
            .call(Partition::at(None), &invocation.call())
            .await
    }

    /// Makes a call, and answers its reply and the keys that it changed. A call that failed must
    /// have changed no key.
    async fn observe(
        &self,
        invocation: &Invocation,
        what: &str,
        tally: &mut Tally,
    ) -> (Result<Reply, RedisError>, BTreeSet<String>) {
        let before = self.fingerprints().await;
        let reply = self.invoke(invocation).await;
        let changed = changes(&before, &self.fingerprints().await);
        tally.cases += 1;
        if reply.is_err() {
            tally.refused += 1;
            // Only an answer of the server counts: after a timeout the outcome is unknown.
            assert!(
                !format!("{reply:?}").to_lowercase().contains("timeout"),
                "{what}: {reply:?}"
            );
            assert!(
                changed.is_empty(),
                "{what}: changed {changed:?} and answered {reply:?}"
            );
        }
        (reply, changed)
    }

    async fn fingerprints(&self) -> Fingerprints {
        let read = Command::new("EVAL").arg(FINGERPRINTS).arg(0);
        let texts = self.private.ask(read).await.texts();
        let texts = texts.expect("keys and fingerprints are texts");
        texts
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    }
}

/// The keys that only one of them has, or whose fingerprints differ.
fn changes(before: &Fingerprints, after: &Fingerprints) -> BTreeSet<String> {
    let keys = before.keys().chain(after.keys());
    keys.filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect()
}

/// Whether a text is a whole number of at most this number of digits.
fn is_whole(text: &str, digits: usize) -> bool {
    (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
