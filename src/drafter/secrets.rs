//! Values that were given to whoever is asked, and that nothing we tell of it may hold.

use std::fmt;

/// A shorter value is no secret, and would be found in words that have nothing to do with it.
const BYTES_MIN: usize = 8;

/// What is hidden.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Hides these values.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        let values = values.into_iter().map(|value| value.trim().to_owned());
        let mut values: Vec<String> = values.filter(|value| value.len() >= BYTES_MIN).collect();
        // One that holds another goes first.
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Self(values)
    }

    /// Returns a text without them.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| text.replace(value, "(hidden)"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hidden", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_enough_is_hidden_wherever_it_stands() {
        let secrets = Secrets::of(["sk-12345678", "sk-12345678-more", "fast"].map(str::to_owned));
        let text = "fast: xsk-12345678-more and sk-12345678.";
        assert_eq!(secrets.hide(text), "fast: x(hidden) and (hidden).");
        assert!(!format!("{secrets:?}").contains("sk-"));
    }
}
