//! Reads the values of one table, and notes what is wrong with them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::DeValue;

use super::layers::Source;
use super::problem::SettingError;
use super::settings::{Given, put, shown};

/// Reads one table and notes what is wrong with it.
pub(super) struct Reader<'a> {
    /// What its keys begin with: `masters.security`.
    pub(super) prefix: String,
    pub(super) source: &'a Source<'a>,
    pub(super) errors: &'a mut Vec<SettingError>,
}

impl Reader<'_> {
    pub(super) fn switch(
        &mut self,
        key: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        slot: &mut bool,
    ) {
        match value.get_ref().as_bool() {
            Some(value) => *slot = value,
            None => self.wrong_type(key, at, value, "true or false"),
        }
    }

    pub(super) fn whole<T: TryFrom<u64>>(
        &mut self,
        key: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        range: RangeInclusive<u64>,
        slot: &mut T,
    ) {
        match Given::Toml(value.get_ref()).within(*range.start(), *range.end()) {
            Ok(value) => put(slot, value),
            Err([problem, remedy]) => self.error(key, at, problem, remedy),
        }
    }

    pub(super) fn text(&mut self, key: &str, at: usize, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref().as_str() {
            Some(text) if !text.contains('\0') => return text.trim().to_owned(),
            Some(_) => self.error(key, at, "it holds a NUL".into(), "remove it".into()),
            None => self.wrong_type(key, at, value, "a text"),
        }
        String::new()
    }

    pub(super) fn texts(
        &mut self,
        key: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Vec<String> {
        let texts = value.get_ref().as_array().and_then(|array| {
            array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        });
        let texts: Vec<String> = match texts {
            Some(texts) => texts,
            None => {
                self.wrong_type(key, at, value, "a list of texts");
                return Vec::new();
            }
        };
        if let Some(bad) = texts.iter().find(|text| text.contains('\0')) {
            self.error(key, at, format!("{bad:?} holds a NUL"), "remove it".into());
        }
        texts
    }

    pub(super) fn names(
        &mut self,
        key: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Vec<String> {
        let names = self.texts(key, at, value);
        for name in &names {
            self.check_variable(key, at, name.strip_suffix('*').unwrap_or(name));
        }
        names
    }

    pub(super) fn env(
        &mut self,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> BTreeMap<String, String> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type("env", at, value, "a table of texts");
            return BTreeMap::new();
        };
        let mut env = BTreeMap::new();
        for (key, value) in table {
            let (name, at) = (key.get_ref().to_string(), key.span().start);
            self.check_variable(&format!("env.{name}"), at, &name);
            match value.get_ref().as_str() {
                Some(text) if !text.contains('\0') => drop(env.insert(name, text.to_owned())),
                Some(_) => {
                    self.error(
                        &format!("env.{name}"),
                        at,
                        "it holds a NUL".into(),
                        "remove it".into(),
                    );
                }
                None => self.wrong_type(&format!("env.{name}"), at, value, "a text"),
            }
        }
        env
    }

    pub(super) fn check_variable(&mut self, key: &str, at: usize, name: &str) {
        if name.is_empty() || name.contains(['=', '\0', '*', ' ']) {
            let remedy = "a name is letters, digits and underscores".to_owned();
            self.error(key, at, format!("{name:?} names no variable"), remedy);
        }
    }

    pub(super) fn wrong_type(
        &mut self,
        key: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
    ) {
        let problem = format!("{} is not {wanted}", shown(value.get_ref()));
        self.error(key, at, problem, format!("it takes {wanted}"));
    }

    pub(super) fn error(&mut self, key: &str, at: usize, problem: String, remedy: String) {
        let place = self.source.at(at);
        let key = format!("{}.{key}", self.prefix);
        self.errors.push(SettingError { place, key, problem, remedy });
    }
}
