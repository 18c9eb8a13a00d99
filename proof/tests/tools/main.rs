//! Third-party programs use the system. `tools/install` installs them, so only `just tools` (`cargo
//! test --test tools`) runs these tests. A missing program is an error.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod api;
mod browser;
mod consumers;
mod documents;
mod explorer;
mod program;
