//! Turns what others put into `coordination/` into inputs.
