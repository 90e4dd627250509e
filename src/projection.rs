//! Turns state into documents. Pure.
