//! The one validator of every draft, whoever drafted it.
