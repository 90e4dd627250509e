//! Says how a worker is launched and what its end means. Pure.
