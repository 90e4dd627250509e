//! Sets up logging.
