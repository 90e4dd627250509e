//! Reads documents, drops tasks and commands, waits for their outcome.
