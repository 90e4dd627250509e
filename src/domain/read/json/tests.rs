use super::*;
use proptest::prelude::*;

fn problem(bytes: &[u8]) -> String {
    parse_json(bytes, "inbox/a.json").unwrap_err().to_string()
}

#[test]
fn what_is_no_json_is_named_with_its_place() {
    for (bytes, said) in [
        (&b""[..], "the file is empty"),
        (b" \n", "the file is empty"),
        (
            b"{\"a\": 1,\n \"skills\": ,\n}",
            "skills: line 2, column 12: a value is expected, found `,`",
        ),
        (b"{\"a\": [1, NaN]}", "a[1]: line 1, column 11: a value is expected, found `NaN`"),
        (b"{\"a\": {\"b\": 01}}", "a.b: line 1, column 13: a value is expected, found `01`"),
        (b"{\"a\": \"x", "a: line 1, column 7: a string is not closed"),
        (b"{\"a\": [1", "a: line 1, column 9: the text ends where a comma or `]` is expected"),
        (b"{'a': 1}", "a key in double quotes is expected, found `'a'`"),
        (b"{\"a\":1} x", "the end of the file is expected, found `x`"),
        (b"{\"a\":1,\"b\":2,\"a\":3}", "line 1, column 14: the key `a` stands twice"),
        (b"{\"a\":\"\xff\"}", "line 1, column 7: byte 0xff at offset 6 is not UTF-8"),
        (b"\xff\xfe{\0", "offset 0 is not UTF-8; save the file as UTF-8"),
        (b"{\"a\":\"\x00\"}", "`\\u{0}` must be escaped"),
        (b"\x00\x00", "a value is expected, found `\\0\\0`"),
        (br#"{"a":"\x"}"#, "a: line 1, column 7: `\\x\"` is no escape"),
        ("{\"ü\": [tru]}".as_bytes(), "ü[0]: line 1, column 8: a value"),
    ] {
        let text = problem(bytes);
        assert!(text.contains(said), "{}: {text}", bytes.escape_ascii());
    }
}

#[test]
fn depth_is_limited_for_values_and_not_for_skipping() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    parse_json(nested(DEPTH_MAX).as_bytes(), "f").unwrap();
    assert!(problem(nested(200).as_bytes()).contains("nested more than 128 levels"));
    let field = parse_json(format!("{{\"a\":{}}}", nested(200)).as_bytes(), "f").unwrap_err().field;
    assert!(field.starts_with("a[0][0]") && field.ends_with("[0][0]"), "{field}");
    assert!(field.contains("]...[") && field.len() <= PATH_LENGTH_MAX, "{field}");
    let deep = nested(1_000_000);
    assert_eq!(Scanner::new(&deep).skip().unwrap(), 0..deep.len());
}

#[test]
fn odd_but_right_texts_are_read() {
    let value =
        parse_json(b"\xef\xbb\xbf{\"n\":18446744073709551616,\"m\":18446744073709551615}", "f");
    assert_eq!(value.unwrap(), serde_json::json!({"n": "18446744073709551616", "m": u64::MAX}));
    let value = parse_json(br#"["\ud83d\ude00\u00e9\n", "\ud800x", 1e999, -0.5]"#, "f").unwrap();
    assert_eq!(value, serde_json::json!(["\u{1f600}\u{e9}\n", "\u{fffd}x", "1e999", -0.5]));
}

proptest! {
    #[test]
    fn any_text_is_judged_as_serde_judges_it(
        text in r#"([{}\[\],:" ]|\\u00e9|\\n|"[a-c]*"|-?[0-9.e]{1,4}|true|null|\PC){0,24}"#
    ) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let mut scanner = Scanner::new(&text);
        let skipped = scanner.skip().and_then(|_| scanner.finish()).is_ok();
        prop_assert_eq!(skipped, theirs);
        let twice = parse_json(text.as_bytes(), "f").is_err_and(|p| p.message.contains("twice"));
        prop_assert!(twice || parse_json(text.as_bytes(), "f").is_ok() == theirs);
    }

    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = parse_json(&bytes, "f");
    }

    #[test]
    fn values_are_read_as_serde_reads_them(
        pairs in proptest::collection::btree_map("\\PC{0,4}", (any::<i64>(), "\\PC{0,9}"), 0..5)
    ) {
        let text = serde_json::to_string_pretty(&pairs).unwrap();
        let theirs: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(parse_json(text.as_bytes(), "f").unwrap(), theirs);
    }
}
