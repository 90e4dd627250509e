//! Reads the clocks; nothing else does.
