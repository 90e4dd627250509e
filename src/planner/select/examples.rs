//! The examples of requests that an agent's own file gives.

/// So many examples of one agent are looked at.
const EXAMPLES_MAX: usize = 100;
/// Shorter ones say nothing.
const CHARS_MIN: usize = 12;
/// What a heading says above lines that are examples.
const HEADINGS: [&str; 7] = [
    "example",
    "use case",
    "when to use",
    "when to invoke",
    "trigger",
    "scenario",
    "sample request",
];

/// Returns the examples in a description and a body.
pub(super) fn of<'a>(description: &'a str, body: &'a str) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for text in [description, body] {
        let mut is_below = false;
        let mut is_code = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("```") {
                is_code = !is_code;
            } else if let Some(heading) = line.strip_prefix('#').filter(|_| !is_code) {
                let heading = heading.to_lowercase();
                is_below = HEADINGS.iter().any(|known| heading.contains(known));
            } else if let Some(said) = said(line) {
                found.push(said);
            } else if is_below && !is_code {
                found.extend(item(line));
            }
        }
    }
    found.retain(|example| example.len() >= CHARS_MIN);
    found.truncate(EXAMPLES_MAX);
    found
}

/// Returns what a user says in a dialogue: `user: "..."`.
fn said(line: &str) -> Option<&str> {
    let rest = ["user:", "User:", "**User**:", "**User:**", "<user>"]
        .into_iter()
        .find_map(|start| line.strip_prefix(start))?;
    Some(rest.trim().trim_matches(['"', '\'', '“', '”']))
}

/// Returns an item of a list without its mark and its quotes.
fn item(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(['-', '*', '+']).or_else(|| {
        line.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(['.', ')'])
    })?;
    Some(rest.trim().trim_matches(['"', '\'', '“', '”', '*']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_items_below_their_heading_and_what_users_say() {
        let body = "# Baker\n- not this item\n\n## Example Interactions\n- \"Bake me a large cake\"\n\
            1. Decorate the wedding table\n- short\n\n## Rules\n- nor this one here\n\
            user: \"How long does dough rest?\"\n```\n# Examples\n- no code either\n```\n";
        let found = of("Bakes.\nuser: 'Make pastry for ten people'", body);
        assert_eq!(
            found,
            [
                "Make pastry for ten people",
                "Bake me a large cake",
                "Decorate the wedding table",
                "How long does dough rest?",
            ]
        );
    }

    #[test]
    fn there_is_an_end_of_examples() {
        let body = format!("## Examples\n{}", "- do the thing again\n".repeat(9_000));
        assert_eq!(of("", &body).len(), EXAMPLES_MAX);
    }
}
