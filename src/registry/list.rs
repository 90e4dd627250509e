//! A JSON list of agents: `[{"name", "description"}, ..]`.

use super::index::entries_of;
use super::{Place, Reader, Registry};

/// Reads a list.
pub(super) const READER: Reader = Reader { name: "list", read };

fn read(place: Place<'_>) -> Option<Registry> {
    let Place::Json { path, value } = place else { return None };
    Some(entries_of(path, value.as_array()?))
}
