//! Drafts plans: a request in, a draft with its reasons out. Pure.
