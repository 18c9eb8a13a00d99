//! The values that replace keys and arguments.

/// A value of each type, with the command that writes it.
pub(super) const TYPES: [(&str, &str, &[&str]); 6] = [
    ("string", "SET", &["x"]),
    ("list", "RPUSH", &["x"]),
    ("set", "SADD", &["x"]),
    ("zset", "ZADD", &["1", "x"]),
    ("hash", "HSET", &["a", "b"]),
    ("stream", "XADD", &["*", "a", "b"]),
];

/// Texts in place of a whole number: the limits of several number types, texts that Lua takes for a
/// number although the services do not write numbers like that, and texts that are not numbers.
pub(super) const NUMBERS: [&str; 22] = [
    "",
    " ",
    "x",
    "0",
    "1",
    "-1",
    "-0",
    "+1",
    "01",
    "1.5",
    "1e3",
    "0x10",
    "nan",
    "inf",
    "-inf",
    "999999999999999",
    "9999999999999999",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "100000000000000000000000000000000000000000000000000000000000000000000000000000000",
];
