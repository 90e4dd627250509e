//! Reads the `[planners.NAME]` tables: who can be asked for plans beside the embedded planner.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::layers::Source;
use super::problem::{Place, SettingError, suggestion};
use super::settings::shown;
use super::table::Reader;
use crate::drafter::{self, PlannerSettings};

/// The name of the embedded planner.
pub const EMBEDDED: &str = "rules";

/// Names that mean something else where planners are named.
const RESERVED: [&str; 3] = [EMBEDDED, "author", "repeat"];

/// The keys of a planner, and what each is, for the documentation.
pub(super) const KEYS: [(&str, &str); 11] = [
    ("kind", "how it is asked: command (a program), openai (an address)"),
    (
        "argv",
        "program and arguments of `command`; no shell. It reads the question on standard input, or \
         in `{prompt_file}`; `{schema_file}`, `{schema}` and `{workspace}` are filled in too",
    ),
    ("env", "`command`: table of variables to set"),
    ("env_allow", "`command`: variables of Baton to pass on; a name may end in *"),
    ("base_url", "`openai`: what stands before `/chat/completions`"),
    ("model", "`openai`: the model to ask"),
    ("api_key_env", "`openai`: the variable that holds the key; none is sent without it"),
    ("timeout_seconds", "how long one answer may take: 1 to 3600, 120 without it"),
    ("repairs_max", "how often it may mend an answer that cannot be used: 0 to 2, 2 without it"),
    ("answer_bytes_max", "a longer answer is none: 1024 to 16777216, 262144 without it"),
    ("max_active", "so many answers are waited for at the same time: 1 to 64, 4 without it"),
];

/// Reads all of them.
pub(super) fn read(
    config: &mut Config,
    planners: &DeTable<'_>,
    source: &Source<'_>,
) -> Vec<SettingError> {
    let mut errors = Vec::new();
    for (key, value) in planners {
        let name = key.get_ref().as_ref();
        let at = key.span().start;
        let prefix = format!("planners.{name}");
        let mut refuse = |problem: String, remedy: &str| {
            let (place, key) = (source.at(at), prefix.clone());
            errors.push(SettingError { place, key, problem, remedy: remedy.to_owned() });
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 32 || !name.chars().all(is_name) {
            let remedy = "use letters, digits, dots and dashes, at most 32";
            refuse(format!("{name:?} is no name for a planner"), remedy);
            continue;
        }
        if RESERVED.contains(&name) {
            refuse(format!("{name} is the name of a planner that is built in"), "choose another");
            continue;
        }
        let Some(table) = value.get_ref().as_table() else {
            let problem = format!("{} is not a table", shown(value.get_ref()));
            refuse(problem, &format!("write it as [planners.{name}]"));
            continue;
        };
        let mut reader = Reader { prefix, source, errors: &mut errors };
        let settings = reader.planner(table, at);
        config.planners.insert(name.to_owned(), settings);
    }
    errors
}

/// Refuses a `planner` that nobody is.
pub(super) fn check(config: &Config, place: Place) -> Option<SettingError> {
    let name = config.planner.as_str();
    if name == EMBEDDED || config.planners.contains_key(name) {
        return None;
    }
    Some(SettingError {
        place,
        key: "planner".to_owned(),
        problem: format!("there is no planner {name:?}"),
        remedy: config.suggest_planner(name),
    })
}

impl Config {
    /// Returns what may have been meant by the name of a planner that is none.
    pub fn suggest_planner(&self, name: &str) -> String {
        let known = std::iter::once(EMBEDDED).chain(self.planners.keys().map(String::as_str));
        suggestion(name, known)
    }
}

/// What a `[planners.NAME]` table holds beside what every table may hold.
impl Reader<'_> {
    fn planner(&mut self, table: &DeTable<'_>, at: usize) -> PlannerSettings {
        let mut settings = PlannerSettings::default();
        let before = self.errors.len();
        for (key, value) in table {
            self.planner_key(key.get_ref(), key.span().start, value, &mut settings);
        }
        let Some(kind) = drafter::find(&settings.kind) else {
            if self.errors.len() == before {
                let kinds: Vec<&str> = drafter::ROSTER.iter().map(|kind| kind.name).collect();
                let remedy = format!("set it to one of: {}", kinds.join(", "));
                self.error("kind", at, "it is not said how it is asked".into(), remedy);
            }
            return settings;
        };
        let of_others = |key: &str| {
            let others = drafter::ROSTER.iter().filter(|other| other.name != kind.name);
            let mut others = others.flat_map(|other| other.keys);
            !kind.keys.contains(&key) && others.any(|theirs| *theirs == key)
        };
        for (key, _) in table.iter().filter(|(key, _)| of_others(key.get_ref())) {
            let problem = format!("kind \"{}\" does not use it", kind.name);
            self.error(key.get_ref(), key.span().start, problem, "remove it".to_owned());
        }
        if self.errors.len() == before
            && let Some([key, problem, remedy]) = (kind.check)(&settings)
        {
            let found = table.iter().find(|(known, _)| *known.get_ref() == key);
            let at = found.map_or(at, |(known, _)| known.span().start);
            self.error(&key, at, problem, remedy);
        }
        settings
    }

    fn planner_key(
        &mut self,
        key: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        settings: &mut PlannerSettings,
    ) {
        match key {
            "kind" => self.kind(at, value, &mut settings.kind),
            "argv" => settings.argv = self.texts(key, at, value),
            "env" => settings.env = self.env(at, value),
            "env_allow" => settings.env_allow = self.names(key, at, value),
            "base_url" => settings.base_url = self.text(key, at, value),
            "model" => settings.model = self.text(key, at, value),
            "api_key_env" => {
                let name = self.text(key, at, value);
                self.check_variable(key, at, &name);
                settings.api_key_env = Some(name);
            }
            "timeout_seconds" => {
                let mut seconds = 0_u64;
                self.whole(key, at, value, 1..=3_600, &mut seconds);
                settings.timeout_ms = seconds * 1_000;
            }
            "repairs_max" => self.whole(key, at, value, 0..=2, &mut settings.repairs_max),
            "answer_bytes_max" => {
                self.whole(key, at, value, 1_024..=16_777_216, &mut settings.answer_bytes_max);
            }
            "max_active" => self.whole(key, at, value, 1..=64, &mut settings.active_max),
            "api_key" | "key" | "token" => {
                let problem = "a key does not belong into this file".to_owned();
                let remedy = "name the variable that holds it: api_key_env".to_owned();
                self.error(key, at, problem, remedy);
            }
            unknown => {
                let remedy = suggestion(unknown, KEYS.iter().map(|(key, _)| *key));
                self.error(unknown, at, "there is no such setting".into(), remedy);
            }
        }
    }

    fn kind(&mut self, at: usize, value: &Spanned<DeValue<'_>>, slot: &mut String) {
        let known = drafter::ROSTER.iter().map(|kind| kind.name);
        match value.get_ref().as_str() {
            Some(name) if known.clone().any(|known| known == name) => name.clone_into(slot),
            Some("openai") => {
                let problem = "this build cannot ask addresses".to_owned();
                let remedy = "build Baton with the feature openai, or use kind \"command\"".into();
                self.error("kind", at, problem, remedy);
            }
            Some(name) => {
                let remedy = suggestion(name, known);
                self.error("kind", at, format!("there is no kind {name:?}"), remedy);
            }
            None => self.wrong_type("kind", at, value, "a text"),
        }
    }
}
