//! The system in the eyes of other people's programs. They are brought by `tools/install`, so only
//! `just tools` runs this (`cargo test --test tools`), and what is missing is an error.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod api;
mod browser;
mod documents;
mod explorer;
mod program;
