//! The pair at its boundary, on real servers; and the page that explains it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod console;
mod load;
mod page;
mod pair;
