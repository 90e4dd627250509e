//! Settings: defaults, then `coordination/baton.toml`, then environment, then flags.
