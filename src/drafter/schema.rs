//! The form of an answer, as JSON Schema.

use serde_json::Value;

/// The schema as it is committed: `coordination/schemas/draft.schema.json`.
pub const TEXT: &str = include_str!("../../coordination/schemas/draft.schema.json");

/// Returns the schema without what only says where it is from, on one line: some that are asked
/// refuse keywords that they do not know.
pub fn bare() -> Value {
    let mut schema: Value =
        serde_json::from_str(TEXT).expect("the committed schema is JSON, and a test reads it");
    if let Some(schema) = schema.as_object_mut() {
        for key in ["$schema", "$id", "title"] {
            schema.shift_remove(key);
        }
    }
    schema
}
