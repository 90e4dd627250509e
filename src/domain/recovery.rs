//! What is done about a failure: the first strategy on the roster that answers.
