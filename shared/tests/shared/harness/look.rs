//! What a test reads from a store.

use shared::redis::{Code, Command, Entry, Redis, RedisError};

/// All entries of a stream.
pub(crate) async fn entries(redis: &Redis, stream: &str) -> Vec<Entry> {
    let range = Command::new("XRANGE").key(stream).arg("-").arg("+");
    redis.run(range).await.unwrap().entries().unwrap()
}

/// How often clients called a command of a store.
pub(crate) async fn calls(store: &Redis, command: &str) -> u64 {
    let info = store
        .run(Command::new("INFO").arg("commandstats"))
        .await
        .unwrap();
    let (info, name) = (info.text().unwrap(), format!("cmdstat_{command}:calls="));
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(name.as_str()));
    line.and_then(|line| line.split(',').next()?.parse().ok())
        .unwrap_or(0)
}

/// A field of an entry, as text.
pub(crate) fn field<'a>(entry: &'a Entry, name: &str) -> &'a str {
    let fields = entry.fields.as_ref().unwrap();
    let found = fields.iter().find(|(field, _)| field == name);
    found.map_or("", |(_, value)| std::str::from_utf8(value).unwrap())
}

/// Asserts that the outcome of a command is unknown.
pub(crate) fn assert_unknown(error: &RedisError) {
    let is_unknown = matches!(
        error,
        RedisError::Unavailable {
            code: Code::Unknown,
            ..
        }
    );
    assert!(is_unknown, "{error:?}");
}
