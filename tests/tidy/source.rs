//! Takes comments, literals and tests out of Rust source, keeping every line where it is.

/// Returns the source with comments and the contents of text and character literals as blanks.
pub(crate) fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (skipped, opened) = literal_or_comment(rest, code.chars().next_back());
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (gone, left) = rest.split_at(skipped);
            code.push_str(opened);
            code.extend(gone.chars().skip(opened.len()).map(|c| if c == '\n' { c } else { ' ' }));
            rest = left;
        }
    }
    code
}

/// Returns the code without its `#[cfg(test)]` modules.
pub(crate) fn without_tests(text: &str) -> String {
    let code = code(text);
    match test_module(&code) {
        Some(at) => code[..at].to_owned(),
        None => code,
    }
}

/// Returns the code of its `#[cfg(test)]` modules, every line where it was.
pub(crate) fn only_tests(text: &str) -> String {
    let code = code(text);
    let at = test_module(&code).unwrap_or(code.len());
    code[..at].chars().filter(|c| *c == '\n').collect::<String>() + &code[at..]
}

/// Tells whether a file holds nothing but tests.
pub(crate) fn is_test_file(path: &str) -> bool {
    !path.starts_with("src/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Returns every position of `word` that no letter, digit or underscore touches, as line numbers
/// from 1 with the text from there on.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let whole_left = !before.is_some_and(part) || !word.starts_with(part);
        let whole_right = !after.is_some_and(part) || !word.ends_with(part);
        (whole_left && whole_right).then(|| (line_of(code, at), &code[at..]))
    })
}

/// Returns the line of a position, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Tests stand last in a file, so everything from the first test module on is test code.
fn test_module(code: &str) -> Option<usize> {
    code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| {
        let item = code[*at..].lines().skip(1).map(str::trim).find(|line| !line.starts_with("#["));
        item.is_some_and(|item| item.starts_with("mod ") || item.starts_with("pub mod "))
    })
}

/// Returns how many bytes of `rest` are a comment or a literal (0: neither), and what of it stays.
fn literal_or_comment(rest: &str, before: Option<char>) -> (usize, &'static str) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), "");
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), "");
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with('r') && !in_word {
        let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
        if rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let from = 2 + hashes;
            let len = rest[from..].find(&end).map_or(rest.len(), |at| from + at + end.len());
            return (len, "r");
        }
    }
    if rest.starts_with('"') {
        return (quoted_len(rest, '"'), "\"");
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\''), Some('\\'), _) => (quoted_len(rest, '\''), "'"),
        (Some('\''), Some(c), Some('\'')) => (2 + c.len_utf8(), "'"),
        _ => (0, ""),
    }
}

fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    rest.len()
}

#[test]
fn comments_and_literals_are_blanked_and_lines_stay() {
    let text = "let a = \"crate::x\\\" // no\"; // crate::y\nlet b = r#\"\"\ncrate::z\"#; /* q\n */ f('\"', 'a', &'static str)";
    let code = code(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(!code.contains("crate") && !code.contains('q'), "{code}");
    assert!(code.contains("f(") && code.contains("&'static str"), "{code}");
}

#[test]
fn tests_are_told_apart() {
    let text =
        "fn a() {}\n#[cfg(test)]\nfn helper() {}\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n b }\n";
    assert!(without_tests(text).contains("helper") && !without_tests(text).contains('b'));
    assert!(only_tests(text).contains('b') && !only_tests(text).contains("helper"));
    assert_eq!(words(&only_tests(text), "b").next().unwrap().0, 7);
}

#[test]
fn words_are_whole() {
    let lines: Vec<_> = words("print!(x) eprint!(y)\nprint!(z) reprint!", "print!").collect();
    assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2]);
}
