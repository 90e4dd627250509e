//! The truth: one decision, one checksummed line, synced before it is acted on.
