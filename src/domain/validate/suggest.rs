//! "Did you mean": the known name nearest to an unknown one.

/// Longer names are not compared: nobody mistypes them, somebody pastes them.
const NAME_LENGTH_MAX: usize = 64;

/// Returns the candidate that `name` was probably meant to be: one that it abbreviates, or one that
/// is at most a third of its letters away.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.trim().to_lowercase().chars().collect();
    if name.is_empty() || name.len() > NAME_LENGTH_MAX {
        return None;
    }
    let distance_max = (name.len() / 3).max(1);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.to_lowercase().chars().collect();
        let distance = if name.len() >= 3 && other.starts_with(&name) {
            1
        } else if other.len().abs_diff(name.len()) > distance_max {
            continue;
        } else {
            distance(&name, &other)
        };
        if distance <= distance_max && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Words a suggestion as the end of a message: ` (did you mean x?)`, or nothing.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, candidates).map(|c| format!(" (did you mean {c}?)")).unwrap_or_default()
}

/// Counts the letters to insert, remove, replace or swap with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x;
            if swapped {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let masters = ["cicd", "development", "inventory", "security"];
        for (name, expected) in [
            ("develpoment", Some("development")),
            ("dev", Some("development")),
            ("Security", Some("security")),
            ("cidc", Some("cicd")),
            ("marketing", None),
            ("", None),
            (&"x".repeat(1000), None),
        ] {
            assert_eq!(closest(name, masters), expected, "{name}");
        }
    }

    #[test]
    fn equally_near_names_give_the_first() {
        assert_eq!(closest("a-1", ["a-2", "a-3"]), Some("a-2"));
        assert_eq!(did_you_mean("a-1", ["a-2", "a-3"]), " (did you mean a-2?)");
        assert_eq!(did_you_mean("zzz", ["a-2", "a-3"]), "");
    }
}
