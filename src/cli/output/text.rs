//! Foreign text on a terminal: control characters escaped, columns counted, long lines cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns `text` as one printable line: line ends and tabs become blanks, other control
/// characters and those that reorder or hide text become `\u{..}`.
pub(crate) fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            hidden if is_hidden(hidden) => line.extend(hidden.escape_unicode()),
            visible => line.push(visible),
        }
    }
    line
}

/// Returns `text` with its lines kept and everything else treated as [`clean`] does.
pub(crate) fn clean_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' => {}
            '\n' | '\t' => lines.push(c),
            hidden if is_hidden(hidden) => lines.extend(hidden.escape_unicode()),
            visible => lines.push(visible),
        }
    }
    lines
}

/// Returns how many columns `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Returns `text` cut to `columns_max` columns, the last one an ellipsis when something is missing.
pub(crate) fn cut(text: &str, columns_max: usize) -> String {
    if columns(text) <= columns_max {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut taken = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if taken + wide > columns_max.saturating_sub(1) {
            break;
        }
        taken += wide;
        short.push(c);
    }
    let mut short = short.trim_end().to_owned();
    if columns_max > 0 {
        short.push('…');
    }
    short
}

/// Returns the lines of `text` broken at blanks to at most `columns_max` columns; a longer word, such
/// as a path, is broken where the line ends.
pub(crate) fn wrap(text: &str, columns_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > columns_max {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            for c in word.chars() {
                if columns(&line) + c.width().unwrap_or(0) > columns_max && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.push(line);
    }
    lines
}

/// Returns a duration for people: `7s`, `3m 05s`, `2h 04m`.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600.. => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Returns a duration for people that shows tenths while they matter: `0.6s`.
pub(crate) fn duration_ms(ms: u64) -> String {
    if ms < 10_000 { format!("{}.{}s", ms / 1000, ms % 1000 / 100) } else { duration(ms / 1000) }
}

/// Returns `1 subtask`, `2 subtasks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Control characters, and those that reorder, join or hide what is beside them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_reorder_the_line() {
        assert_eq!(clean("a\x1b[2Jb\nc\u{202e}d\u{9b}"), "a\\u{1b}[2Jb c\\u{202e}d\\u{9b}");
        assert_eq!(clean_lines("a\r\n\tb\x07"), "a\n\tb\\u{7}");
    }

    #[test]
    fn lines_are_cut_by_what_they_take_on_the_screen() {
        for (text, columns_max, short) in [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("日本語テキスト", 7, "日本語…"),
            ("日本語テキスト", 6, "日本…"),
            ("ab cd", 4, "ab…"),
            ("anything", 0, ""),
        ] {
            assert_eq!(cut(text, columns_max), short);
            assert!(columns(short) <= columns_max);
        }
    }

    #[test]
    fn paragraphs_are_wrapped_at_blanks() {
        assert_eq!(wrap("one two three\n\nfour", 8), ["one two", "three", "", "four"]);
        assert_eq!(wrap("see a/long/path now", 6), ["see", "a/long", "/path", "now"]);
    }

    #[test]
    fn durations_read_like_speech() {
        let read: Vec<String> = [0, 59, 65, 7449].into_iter().map(duration).collect();
        assert_eq!(read, ["0s", "59s", "1m 05s", "2h 04m"]);
        assert_eq!([duration_ms(640), duration_ms(65_000)], ["0.6s", "1m 05s"]);
    }
}
