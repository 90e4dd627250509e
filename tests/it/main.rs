//! The one integration binary.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests are no tests to clippy, and tests may panic, write and start anything"
)]

mod holder;
