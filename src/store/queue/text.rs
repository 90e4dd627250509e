//! The text of a queue: where its entries stand, and what changing a few fields makes of it.
//!
//! Pure. Every byte that is not part of a change stays as it is: order, indentation, the way
//! numbers are written, line ends, fields and entries that are not ours.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde_json::{Map, Value};

use super::style::Style;
use crate::domain::document::{QueueEntryRef, QueuePatch};
use crate::domain::read::json::{JsonError, Key, Scanner};

/// A queue as it stands in its file.
#[derive(Debug, Clone)]
pub struct QueueText<'a> {
    text: &'a str,
    shape: Shape,
    entries: Vec<Entry>,
}

/// One entry and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its bytes.
    pub span: Range<usize>,
    /// Its id, trimmed; `None` when it has none that could be one.
    pub id: Option<String>,
    /// Whether its status is `pending`.
    pub is_pending: bool,
}

/// Names beside `tasks` in an object that is a queue.
const NAMES_AROUND: [&str; 8] = [
    "schema",
    "$schema",
    "version",
    "stats",
    "metadata",
    "updated_at",
    "last_updated",
    "created_at",
];

/// The shapes in which queues are written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// `{"tasks": [...]}` or a bare array; where the array stands.
    List(Range<usize>),
    /// The file is one task.
    Single(Range<usize>),
    /// An object that is neither.
    Other(Range<usize>),
    /// An object that is neither and that holds what no queue does.
    Foreign(Range<usize>),
}

/// What identifies an entry from one version of the queue to the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum EntryKey<'a> {
    /// The id, for the first entry that bears it.
    Id(&'a str),
    /// The bytes themselves, for one without an id.
    Bytes(u32),
}

impl<'a> QueueText<'a> {
    /// Finds the entries of a queue.
    ///
    /// # Errors
    /// The text is no JSON, or neither a list of tasks nor a task.
    pub fn read(text: &'a str) -> Result<Self, JsonError> {
        let mut scanner = Scanner::new(text);
        let (shape, entries) = match scanner.peek() {
            Some(b'[') => {
                let (list, entries) = read_list(&mut scanner)?;
                (Shape::List(list), entries)
            }
            Some(b'{') => read_object(&mut scanner)?,
            Some(_) | None => return Err(scanner.unexpected("an object with a list of tasks")),
        };
        scanner.finish()?;
        Ok(Self { text, shape, entries })
    }

    /// Returns the entries in the order in which they stand.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Says why this is no queue although it is JSON: an object without tasks that holds something
    /// else.
    pub fn objection(&self) -> Option<JsonError> {
        let Shape::Foreign(object) = &self.shape else { return None };
        Some(JsonError {
            offset: object.start,
            field: String::new(),
            message: "the object has neither a list `tasks` nor is it a task".to_owned(),
            remedy: "write {\"tasks\": [...]}",
        })
    }

    /// Returns the bytes of an entry.
    pub fn bytes(&self, entry: &Entry) -> &'a str {
        &self.text[entry.span.clone()]
    }

    /// Returns the path of the entry at `index`, for messages.
    pub fn path(&self, index: usize) -> String {
        match &self.shape {
            Shape::List(list) if list.start > 0 && self.text.trim_start().starts_with('{') => {
                format!("tasks[{index}]")
            }
            Shape::List(_) => format!("[{index}]"),
            Shape::Single(_) | Shape::Other(_) | Shape::Foreign(_) => String::new(),
        }
    }

    /// Pairs every entry with what identifies it; of entries with one id only the first.
    pub(super) fn keyed(&self) -> Vec<(EntryKey<'_>, &Entry)> {
        let mut seen = std::collections::HashSet::new();
        let key = |entry: &Entry| crc32c::crc32c(self.bytes(entry).as_bytes());
        self.entries
            .iter()
            .filter_map(|entry| match &entry.id {
                Some(id) => seen.insert(id.as_str()).then_some((EntryKey::Id(id), entry)),
                None => Some((EntryKey::Bytes(key(entry)), entry)),
            })
            .collect()
    }

    /// Returns the text with our fields in our entries, which is the same text when they are
    /// there already.
    pub(super) fn patched(&self, patches: &[QueuePatch]) -> Result<String, JsonError> {
        let mut edits = Edits::default();
        let mut fields: BTreeMap<usize, Map<String, Value>> = BTreeMap::new();
        let mut back = Vec::new();
        let finder = Finder::new(self);
        for patch in patches {
            match (finder.find(patch), &patch.put_back) {
                (Some(index), _) => fields.entry(index).or_default().extend(patch.fields.clone()),
                (None, Some(entry)) => back.push(NewEntry::Value(entry)),
                (None, None) => {}
            }
        }
        for (index, fields) in &fields {
            edit_members(self.text, self.entries[*index].span.start, fields, &mut edits)?;
        }
        if !back.is_empty() {
            self.append(&back, &mut edits)?;
        }
        Ok(edits.apply(self.text))
    }

    /// Returns the text with parts of another version in it: new entries at the end, entries in
    /// place of those that stand there now, and fields of entries by where these begin.
    pub(super) fn carrying(
        &self,
        new: &[&str],
        instead: &[(Range<usize>, &str)],
        fields: &[(usize, Map<String, Value>)],
    ) -> Result<String, JsonError> {
        let mut edits = Edits::default();
        for (span, text) in instead {
            edits.replace(span.clone(), (*text).to_owned());
        }
        for (start, fields) in fields {
            edit_members(self.text, *start, fields, &mut edits)?;
        }
        if !new.is_empty() {
            let new: Vec<NewEntry<'_>> = new.iter().map(|text| NewEntry::Text(text)).collect();
            self.append(&new, &mut edits)?;
        }
        Ok(edits.apply(self.text))
    }

    fn append(&self, new: &[NewEntry<'_>], edits: &mut Edits) -> Result<(), JsonError> {
        let last = self.entries.last().map(|entry| &entry.span);
        match &self.shape {
            Shape::List(list) => {
                let style = Style::of_elements(self.text, list, last);
                let texts: Vec<String> = new.iter().map(|entry| entry.text(&style)).collect();
                let at = last.map_or(list.start + 1, |last| last.end);
                edits.insert(at, style.elements(&texts, last.is_none()));
            }
            // A second task makes a list of it.
            Shape::Single(task) => {
                let style = Style::at_margin();
                let texts: Vec<String> = new.iter().map(|entry| entry.text(&style)).collect();
                edits.insert(task.start, "[\n".into());
                edits.insert(task.end, format!("{}\n]", style.elements(&texts, false)));
            }
            Shape::Other(object) | Shape::Foreign(object) => {
                let entries = new.iter().map(NewEntry::value).collect::<Result<Vec<_>, _>>()?;
                let fields = Map::from_iter([("tasks".to_owned(), Value::Array(entries))]);
                edit_members(self.text, object.start, &fields, edits)?;
            }
        }
        Ok(())
    }
}

/// An entry that is to be added.
enum NewEntry<'a> {
    /// One that we make.
    Value(&'a Value),
    /// One that another writer wrote.
    Text(&'a str),
}

impl NewEntry<'_> {
    fn text(&self, style: &Style) -> String {
        match self {
            NewEntry::Value(value) => style.value(value),
            NewEntry::Text(text) => (*text).to_owned(),
        }
    }

    fn value(&self) -> Result<Value, JsonError> {
        match self {
            NewEntry::Value(value) => Ok((*value).clone()),
            NewEntry::Text(text) => Scanner::new(text).value(),
        }
    }
}

/// Finds the entries that patches are about.
struct Finder<'q, 'a> {
    queue: &'q QueueText<'a>,
    by_id: HashMap<&'q str, usize>,
}

impl<'q, 'a> Finder<'q, 'a> {
    fn new(queue: &'q QueueText<'a>) -> Self {
        let mut by_id = HashMap::with_capacity(queue.entries.len());
        for (index, entry) in queue.entries.iter().enumerate() {
            if let Some(id) = &entry.id {
                by_id.entry(id.as_str()).or_insert(index);
            }
        }
        Self { queue, by_id }
    }

    fn find(&self, patch: &QueuePatch) -> Option<usize> {
        match &patch.entry {
            QueueEntryRef::Id(id) => self.by_id.get(id.as_str()).copied(),
            QueueEntryRef::Position { index, fingerprint } => {
                // Once its id was written back, that is what it is found by.
                let id = patch.fields.get("id").and_then(Value::as_str);
                id.and_then(|id| self.by_id.get(id).copied()).or_else(|| {
                    let is_it = |at: &usize| {
                        let entry = self.queue.entries.get(*at)?;
                        let same = crate::store::digest(self.queue.bytes(entry).as_bytes());
                        (same == *fingerprint).then_some(*at)
                    };
                    is_it(index).or_else(|| (0..self.queue.entries.len()).find_map(|at| is_it(&at)))
                })
            }
        }
    }
}

/// Changes of a text, in any order and nowhere overlapping.
#[derive(Default)]
struct Edits {
    edits: Vec<(Range<usize>, String)>,
}

impl Edits {
    fn replace(&mut self, span: Range<usize>, text: String) {
        self.edits.push((span, text));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.replace(at..at, text);
    }

    fn apply(mut self, text: &str) -> String {
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let added: usize = self.edits.iter().map(|(_, text)| text.len()).sum();
        let mut out = String::with_capacity(text.len() + added);
        let mut at = 0;
        for (span, new) in self.edits {
            out.push_str(&text[at..span.start]);
            out.push_str(&new);
            at = span.end;
        }
        out.push_str(&text[at..]);
        out
    }
}

fn read_list(scanner: &mut Scanner<'_>) -> Result<(Range<usize>, Vec<Entry>), JsonError> {
    let mut entries = Vec::new();
    let list = scanner.array(&mut |scanner, _| {
        entries.push(read_entry(scanner)?);
        Ok(())
    })?;
    Ok((list, entries))
}

fn read_object(scanner: &mut Scanner<'_>) -> Result<(Shape, Vec<Entry>), JsonError> {
    let mut again = scanner.clone();
    let (mut found, mut looks_like_a_task, mut is_foreign) = (None, false, false);
    let object = scanner.object(&mut |scanner, key| {
        match key.name.as_ref() {
            "tasks" if found.is_some() => return Err(scanner.twice(key)),
            "tasks" => {
                if scanner.peek() != Some(b'[') {
                    return Err(scanner.unexpected("a list of tasks"));
                }
                found = Some(read_list(scanner)?);
            }
            name => {
                looks_like_a_task |= matches!(name, "title" | "description" | "payload");
                is_foreign |= !NAMES_AROUND.contains(&name);
                scanner.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(match found {
        Some((list, entries)) => (Shape::List(list), entries),
        None if looks_like_a_task => (Shape::Single(object), vec![read_entry(&mut again)?]),
        None if is_foreign => (Shape::Foreign(object), Vec::new()),
        None => (Shape::Other(object), Vec::new()),
    })
}

/// Reads what identifies an entry; where a field stands twice the last one counts.
fn read_entry(scanner: &mut Scanner<'_>) -> Result<Entry, JsonError> {
    if scanner.peek() != Some(b'{') {
        return Ok(Entry { span: scanner.skip()?, id: None, is_pending: false });
    }
    let (mut id, mut task_id, mut status) = (Value::Null, Value::Null, Value::Null);
    let span = scanner.object(&mut |scanner, key| {
        let field = match key.name.as_ref() {
            "id" => &mut id,
            "task_id" => &mut task_id,
            "status" => &mut status,
            _ => return scanner.skip().map(drop),
        };
        *field = match scanner.peek() {
            // What is neither text nor number is no id and no status, however deep it goes.
            Some(b'{' | b'[') => scanner.skip().map(|_| Value::Bool(false))?,
            Some(_) | None => scanner.value()?,
        };
        Ok(())
    })?;
    let id = if id.is_null() { task_id } else { id };
    let id = match id {
        Value::String(text) => Some(text.trim().to_owned()).filter(|id| !id.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    Ok(Entry { span, id, is_pending: status == "pending" })
}

/// Sets fields of the object at `start`; of a key that stands twice the last one is set.
fn edit_members(
    text: &str,
    start: usize,
    fields: &Map<String, Value>,
    edits: &mut Edits,
) -> Result<(), JsonError> {
    let mut members: Vec<(Key<'_>, Range<usize>)> = Vec::new();
    let object = Scanner::at(text, start).object(&mut |scanner, key| {
        let value = scanner.skip()?;
        members.push((key.clone(), value));
        Ok(())
    })?;
    let last = members.last().map(|(key, value)| (&key.span, value));
    let style = Style::of_members(text, &object, last, members.len());
    let mut added = String::new();
    for (name, value) in fields {
        let member = members.iter().rfind(|(key, _)| key.name == Cow::Borrowed(name.as_str()));
        match member {
            Some((_, span)) => {
                let is_so = Scanner::at(text, span.start).value().is_ok_and(|now| now == *value);
                if !is_so {
                    edits.replace(span.clone(), style.value(value));
                }
            }
            None => {
                let comma = if members.is_empty() && added.is_empty() { "" } else { "," };
                added += &format!("{comma}{}", style.member(name, value));
            }
        }
    }
    if !added.is_empty() {
        edits.insert(last.map_or(object.start + 1, |(_, value)| value.end), added);
    }
    Ok(())
}
