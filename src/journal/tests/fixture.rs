//! Every released format stays readable.
