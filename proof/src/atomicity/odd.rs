//! What keys and arguments are spoiled with.

/// Something of each type, and the command that makes it.
pub(super) const TYPES: [(&str, &str, &[&str]); 6] = [
    ("string", "SET", &["x"]),
    ("list", "RPUSH", &["x"]),
    ("set", "SADD", &["x"]),
    ("zset", "ZADD", &["1", "x"]),
    ("hash", "HSET", &["a", "b"]),
    ("stream", "XADD", &["*", "a", "b"]),
];

/// Texts where a whole number should stand: the smallest and largest of several kinds, what Lua
/// takes for a number although it is not written as ours are, and texts that are not numbers.
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
