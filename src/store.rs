//! The only door to `coordination/`.
