//! Numbers, words and escapes of JSON.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// Tells whether a word is a JSON number.
pub(super) fn is_number(word: &[u8]) -> bool {
    let digits = |from: &[u8]| from.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let [b'.', fraction @ ..] = rest {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            unsigned => unsigned,
        };
        return !unsigned.is_empty() && digits(unsigned) == unsigned.len();
    }
    rest.is_empty()
}

/// Reads a number or one of the three words of JSON.
pub(super) fn scalar_value(word: &str) -> Value {
    match word {
        "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if !word.contains(['.', 'e', 'E']) {
        let number = word
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| word.parse::<u64>().map(Number::from));
        return number.map_or_else(|_| Value::String(word.to_owned()), Value::Number);
    }
    let number = word.parse::<f64>().ok().and_then(Number::from_f64);
    number.map_or_else(|| Value::String(word.to_owned()), Value::Number)
}

/// Replaces the escapes of a string that [`Scanner`] let through.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.find('\\') else { return Cow::Borrowed(raw) };
    let mut text = raw[..first].to_owned();
    let (mut rest, bytes) = (first, raw.as_bytes());
    while rest < raw.len() {
        if bytes[rest] != b'\\' {
            let end = raw[rest..].find('\\').map_or(raw.len(), |at| rest + at);
            text.push_str(&raw[rest..end]);
            rest = end;
            continue;
        }
        let escape = bytes[rest + 1];
        rest += 2;
        match escape {
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'u' => {
                let (character, length) = unicode(bytes, rest);
                text.push(character);
                rest += length;
            }
            other => text.push(char::from(other)),
        }
    }
    Cow::Owned(text)
}

/// Reads the digits behind `\u`, and a second half if there is one; returns how many bytes.
fn unicode(bytes: &[u8], at: usize) -> (char, usize) {
    let first = hex4(bytes, at).unwrap_or(0xfffd);
    let second = (bytes.get(at + 4..at + 6) == Some(br"\u")).then(|| hex4(bytes, at + 6)).flatten();
    match (first, second) {
        (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
            let code = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(code).unwrap_or('\u{fffd}'), 10)
        }
        _ => (char::from_u32(first).unwrap_or('\u{fffd}'), 4),
    }
}

/// Reads four hexadecimal digits.
pub(super) fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
}
