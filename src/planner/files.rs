//! File names in a text, and what their place says about them.

use crate::domain::validate::inside_workspace;

use super::lexicon::lexicon;

/// Names beyond this many are not collected: the request is about a system, not about files.
const FILES_MAX: usize = 200;

/// Returns the files that a text names, each once, in order.
pub(super) fn named_in(text: &str) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')')) {
        if let Some(path) = as_path(word)
            && !files.contains(&path)
        {
            files.push(path);
        }
        if files.len() == FILES_MAX {
            break;
        }
    }
    files
}

/// Returns the path that a word is, without quotes and line number; nothing for any other word.
pub(super) fn as_path(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || matches!(c, '/' | '_' | '.')));
    let word = word.trim_end_matches('.');
    let word = word.split_once(':').map_or(word, |(path, _)| path);
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '@' | '+');
    if word.is_empty() || word.contains("//") || !word.chars().all(is_plain) {
        return None;
    }
    let name = word.rsplit('/').next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    let words = &lexicon().words;
    let is_file = words.extensions.contains(&extension.to_lowercase())
        && !(stem.is_empty() && extension.len() < 3)
        && !words.not_files.contains(&name.to_lowercase());
    if is_file { inside_workspace(word).ok() } else { None }
}

/// Returns the field of work that a file belongs to by its place or ending.
pub(super) fn domain(path: &str) -> Option<&'static str> {
    let lower = path.to_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let is_test = lower.split('/').any(|part| matches!(part, "test" | "tests" | "testing"))
        || lower.contains("__tests__")
        || [".test.", ".spec.", "_test.", "-test."].iter().any(|mark| name.contains(mark))
        || name.starts_with("test_");
    let is_docs = lower.starts_with("docs/")
        || lower.contains("/docs/")
        || [".md", ".mdx", ".rst"].iter().any(|ending| name.ends_with(ending));
    match (is_test, is_docs) {
        (true, _) => Some("testing"),
        (false, true) => Some("docs"),
        (false, false) => None,
    }
}

/// Tells whether a file is a part of what users see.
pub(super) fn is_ui(path: &str) -> bool {
    let lower = path.to_lowercase();
    [".tsx", ".jsx", ".vue", ".svelte", ".css", ".scss", ".html"].iter().any(|e| lower.ends_with(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_and_other_words_are_not() {
        let text = "Fix bug in `dashboard/server/index.js:42`, (src/api.ts) and README.md. \
                    See https://a.b/c.js, /etc/passwd.conf, ../x.py, v22.3.x, e.g. Node.js, \
                    OAuth 2.0, /api/auth/*, a/b and src/api.ts again";
        assert_eq!(named_in(text), ["dashboard/server/index.js", "src/api.ts", "README.md"]);
    }

    #[test]
    fn places_tell_what_a_file_is_for() {
        for (path, expected) in [
            ("tests/auth.test.js", Some("testing")),
            ("testing/unit/a.sh", Some("testing")),
            ("src/a_test.go", Some("testing")),
            ("docs/auth.md", Some("docs")),
            ("README.md", Some("docs")),
            ("src/latest.rs", None),
        ] {
            assert_eq!(domain(path), expected, "{path}");
        }
        assert!(is_ui("a/B.tsx") && !is_ui("a/b.ts"));
    }
}
