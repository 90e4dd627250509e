//! When the domain next wants a tick.
