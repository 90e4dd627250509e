//! `decide`: one match over every input; each arm is one call.
