use proptest::prelude::*;

use super::*;

/// Reads a file, and checks a field and the messages.
#[track_caller]
fn check(text: &str, name: &str, expected: &str, notes: &[&str]) {
    let front = Front::read(text.as_bytes());
    assert_eq!(front.field(name).map(|field| field.text.as_str()), Some(expected), "{front:?}");
    let found: Vec<&str> = front.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(found, notes);
}

#[test]
fn values_are_read_as_yaml_reads_them() {
    let front = |rest: &str| format!("---\nname: a\n{rest}\n---\nBody");
    check(&front("description: plain text"), "description", "plain text", &[]);
    let escaped = "description: \"one\\n\\\"two\\\"\"";
    check(&front(escaped), "description", "one\n\"two\"", &[]);
    check(&front("description: 'it''s one'"), "description", "it's one", &[]);
    check(&front("description: >-\n  one\n  two"), "description", "one two", &[]);
    check(&front("description: |\n  one\n  two"), "description", "one\ntwo", &[]);
    check(&front("description: \"one\n  two\""), "description", "one two", &[]);
    check(&front("description: one\n  two"), "description", "one two", &[]);
    check(&front("model: opus # the big one"), "model", "opus", &[]);
    check(&front("Model: opus"), "model", "opus", &[]);
}

#[test]
fn lists_are_read_in_each_of_their_forms() {
    for text in ["tools: [Read, \"Edit\"]", "tools:\n  - Read\n- Edit", "tools: Read, Edit"] {
        let front = Front::read(format!("---\n{text}\n---\n").as_bytes());
        assert_eq!(front.field("tools").unwrap().list(), ["Read", "Edit"], "{text}");
        assert!(front.notes.is_empty(), "{text}");
    }
    let front = Front::read(b"---\ntools: Task(a, b), Bash(git log:*)\n---\n");
    assert_eq!(front.field("tools").unwrap().list(), ["Task(a, b)", "Bash(git log:*)"]);
}

#[test]
fn what_is_no_yaml_is_read_all_the_same_and_noted() {
    let front = |rest: &str| format!("---\n{rest}\nmodel: x\n---\nBody");
    let colon = "a colon in a value without quotes is not valid YAML";
    check(&front("description: For: this"), "description", "For: this", &[colon]);
    let unclosed = "the quote is never closed";
    check(&front("description: \"for this"), "description", "for this", &[unclosed]);
    check(&front("description: \"for this"), "model", "x", &[unclosed]);
    let after = "there is text after the closing quote";
    check(&front("description: \"a\" and b"), "description", "a and b", &[after]);
    let twice = "it is there twice; the last one stands";
    check(&front("model: y"), "model", "x", &[twice]);
    let bracket = "the bracket is never closed";
    check(&front("tools: [Read, Edit"), "tools", "Read, Edit", &[bracket]);
    let stray = "\"wandering\" is no field";
    check(&front("name: a\n\nwandering"), "model", "x", &[stray]);
    let begins = "a value without quotes cannot begin so in YAML";
    check(&front("description: @home"), "description", "@home", &[begins]);
    let comment = "YAML takes what follows ` #` for a comment";
    check(&front("description: C #1"), "description", "C #1", &[comment]);
}

#[test]
fn examples_over_many_lines_stay_in_the_description() {
    let text = "---\nname: a\ndescription: Use it. <example>\nContext: something\nuser: 'do'\n\n\
        assistant: 'done'\n</example>\nmodel: opus\n---\nBody";
    let front = Front::read(text.as_bytes());
    let description = &front.field("description").unwrap().text;
    assert!(description.ends_with("assistant: 'done'\n</example>"), "{description}");
    assert_eq!(front.field("model").unwrap().text, "opus");
    assert_eq!(front.body, "Body");
}

#[test]
fn files_without_a_whole_frontmatter_are_told_apart() {
    let front = Front::read(b"# A guide\ntext");
    assert!(!front.is_there && front.notes[0].severity == Severity::Error);
    let unclosed = b"\xef\xbb\xbf---\r\nname: a\r\ndescription: b\r\n\r\n# Begin\r\n";
    let front = Front::read(unclosed);
    assert_eq!(front.field("description").unwrap().text, "b");
    assert_eq!(front.body, "# Begin");
    assert_eq!(front.notes[0].message, "the frontmatter is never closed");
    let front = Front::read(b"---\nname: a\ndescription: caf\xe9\n---\n");
    let note = &front.notes[0];
    assert_eq!((note.line, note.message.as_str()), (3, "it is not UTF-8"));
    assert!(Front::read(b" \n").notes[0].message.contains("empty"));
}

const PIECES: &str = "(---|name|description|tools|x)?(:|: |: \"|: '|: \\[|: \\||- |  )?\
    [a\"'<>\\]\\\\ ]{0,6}(<example>)?";

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        Front::read(&bytes);
    }

    #[test]
    fn any_lines_are_read_once(lines in proptest::collection::vec(PIECES, 0..40)) {
        let text = format!("---\n{}", lines.join("\n"));
        let front = Front::read(text.as_bytes());
        let kept: usize = front.fields.iter().map(|field| field.text.len()).sum();
        prop_assert!(kept + front.body.len() <= text.len() * 2);
    }
}

#[test]
fn the_worst_files_take_no_longer_than_others() {
    let lines = ["\n", "a: \"\n", "b\n", "a: [\n", "a: <example>\n", " <example>\n", " '\n"];
    for line in lines {
        for begin in ["\"x", "'x", "x", "[x", "<example>"] {
            let text = format!("---\ndescription: {begin}\n{}", line.repeat(50_000));
            assert!(Front::read(text.as_bytes()).is_there);
        }
    }
}
