//! Reads the `[masters.NAME]` tables: who takes work, and how Baton runs it.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::layers::Source;
use super::problem::{SettingError, suggestion};
use super::settings::shown;
use crate::backend::{self, BackendSettings};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::policy::MasterPolicy;
use crate::domain::report::ResultKind;
use crate::domain::worker::Execution;

/// The backend that has no process: a master elsewhere.
const EXTERNAL: &str = "external";
/// The keys of a master, and what each is, for the documentation.
pub(super) const KEYS: [(&str, &str); 8] = [
    ("backend", "who runs its work: external (somebody takes the handoff files), command, brief"),
    ("argv", "program and arguments of `command`; no shell"),
    ("env", "table of variables to set"),
    ("env_allow", "variables of the daemon to pass on; a name may end in *"),
    ("stdin", "true gives the handoff on standard input"),
    ("domains", "fields of work it takes"),
    ("max_active", "attempts at the same time"),
    ("orchestration", "false: tasks for it are never split"),
];
const MAX_ACTIVE: std::ops::RangeInclusive<i128> = 1..=4_096;

/// Reads all of them; they replace the masters that there are without a file.
pub(super) fn read(
    config: &mut Config,
    masters: &DeTable<'_>,
    source: &Source<'_>,
) -> Vec<SettingError> {
    let mut errors = Vec::new();
    if !masters.is_empty() {
        config.policy.masters.clear();
    }
    for (key, value) in masters {
        let name = key.get_ref().as_ref();
        let error = |problem: String, remedy: &str| SettingError {
            place: source.at(key.span().start),
            key: format!("masters.{name}"),
            problem,
            remedy: remedy.to_owned(),
        };
        let agent = match AgentName::parse(name) {
            Ok(agent) => agent,
            Err(problem) => {
                let remedy = "use letters, digits, dots and dashes, at most 32";
                errors.push(error(problem.to_string(), remedy));
                continue;
            }
        };
        let Some(table) = value.get_ref().as_table() else {
            let problem = format!("{} is not a table", shown(value.get_ref()));
            errors.push(error(problem, &format!("write it as [masters.{name}]")));
            continue;
        };
        let mut reader = Reader { name, source, errors: &mut errors };
        let (policy, settings) = reader.master(table, key.span().start);
        if policy.execution != Execution::External {
            config.backends.insert(agent.clone(), settings);
        }
        config.policy.masters.insert(agent, policy);
    }
    errors
}

/// Reads one table and notes what is wrong with it.
struct Reader<'a> {
    name: &'a str,
    source: &'a Source<'a>,
    errors: &'a mut Vec<SettingError>,
}

impl Reader<'_> {
    fn master(&mut self, table: &DeTable<'_>, at: usize) -> (MasterPolicy, BackendSettings) {
        let mut policy = MasterPolicy::external(&[]);
        policy.domains = default_domains(self.name);
        let mut settings = BackendSettings::default();
        let mut backend = EXTERNAL.to_owned();
        for (key, value) in table {
            let at = key.span().start;
            match key.get_ref().as_ref() {
                "backend" => self.backend(at, value, &mut backend),
                "argv" => settings.argv = self.texts("argv", at, value),
                "env" => settings.env = self.env(at, value),
                "env_allow" => settings.env_allow = self.names(at, value),
                "stdin" => self.switch("stdin", at, value, &mut settings.stdin),
                "domains" => policy.domains = self.domains(at, value),
                "max_active" => self.max_active(at, value, &mut policy.attempts_active_max),
                "orchestration" => {
                    self.switch("orchestration", at, value, &mut policy.orchestration_enabled);
                }
                unknown => {
                    let remedy = suggestion(unknown, KEYS.iter().map(|(key, _)| *key));
                    self.error(unknown, at, "there is no such setting".into(), remedy);
                }
            }
        }
        self.check_fit(&backend, &settings, table, at);
        if backend != EXTERNAL {
            if backend == "brief" {
                policy.result_kind = ResultKind::WorkOrder;
            }
            policy.execution = Execution::Launched { backend };
        }
        (policy, settings)
    }

    /// Refuses what the chosen backend would not look at, and a command without a program.
    fn check_fit(
        &mut self,
        backend: &str,
        settings: &BackendSettings,
        table: &DeTable<'_>,
        at: usize,
    ) {
        let unused: &[&str] = match backend {
            EXTERNAL => &["argv", "env", "env_allow", "stdin"],
            "brief" => &["argv", "stdin"],
            _ => &[],
        };
        for (key, _) in table.iter().filter(|(key, _)| unused.contains(&key.get_ref().as_ref())) {
            let problem = format!("backend \"{backend}\" does not use it");
            let remedy = "remove it, or set backend = \"command\"".to_owned();
            self.error(key.get_ref(), key.span().start, problem, remedy);
        }
        let has_program = settings.argv.first().is_some_and(|program| !program.is_empty());
        let key = format!("masters.{}.argv", self.name);
        if backend == "command" && !has_program && self.errors.iter().all(|e| e.key != key) {
            let remedy = "set it to [\"/path/to/program\", \"argument\", ...]".to_owned();
            self.error("argv", at, "backend \"command\" has no program".into(), remedy);
        }
    }

    fn backend(&mut self, at: usize, value: &Spanned<DeValue<'_>>, backend: &mut String) {
        let known = backend::ROSTER.iter().map(|b| b.name).chain([EXTERNAL]);
        match value.get_ref().as_str() {
            Some(name) if known.clone().any(|k| k == name) => name.clone_into(backend),
            Some(name) => {
                let remedy = suggestion(name, known);
                self.error("backend", at, format!("there is no backend {name:?}"), remedy);
            }
            None => self.wrong_type("backend", at, value, "a text"),
        }
    }

    fn switch(&mut self, key: &str, at: usize, value: &Spanned<DeValue<'_>>, slot: &mut bool) {
        match value.get_ref().as_bool() {
            Some(value) => *slot = value,
            None => self.wrong_type(key, at, value, "true or false"),
        }
    }

    fn max_active(&mut self, at: usize, value: &Spanned<DeValue<'_>>, slot: &mut usize) {
        let integer = value.get_ref().as_integer();
        let number = integer.and_then(|i| i128::from_str_radix(i.as_str(), i.radix()).ok());
        let Some(number) = number else {
            return self.wrong_type("max_active", at, value, "a whole number");
        };
        match usize::try_from(number) {
            Ok(fits) if MAX_ACTIVE.contains(&number) => *slot = fits,
            Ok(_) | Err(_) => {
                let remedy = format!("it takes {} to {}", MAX_ACTIVE.start(), MAX_ACTIVE.end());
                self.error("max_active", at, format!("{number} is out of range"), remedy);
            }
        }
    }

    fn texts(&mut self, key: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Vec<String> {
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

    fn domains(&mut self, at: usize, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let domains = self.texts("domains", at, value);
        if domains.iter().any(|domain| domain.trim().is_empty()) {
            let remedy = "name the field of work, e.g. \"security\"".to_owned();
            self.error("domains", at, "a name in it is empty".into(), remedy);
        }
        domains.iter().map(|domain| domain.trim().to_lowercase()).collect()
    }

    fn names(&mut self, at: usize, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let names = self.texts("env_allow", at, value);
        for name in &names {
            self.check_variable("env_allow", at, name.strip_suffix('*').unwrap_or(name));
        }
        names
    }

    fn env(&mut self, at: usize, value: &Spanned<DeValue<'_>>) -> BTreeMap<String, String> {
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

    fn check_variable(&mut self, key: &str, at: usize, name: &str) {
        if name.is_empty() || name.contains(['=', '\0', '*', ' ']) {
            let remedy = "a name is letters, digits and underscores".to_owned();
            self.error(key, at, format!("{name:?} names no variable"), remedy);
        }
    }

    fn wrong_type(&mut self, key: &str, at: usize, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let problem = format!("{} is not {wanted}", shown(value.get_ref()));
        self.error(key, at, problem, format!("it takes {wanted}"));
    }

    fn error(&mut self, key: &str, at: usize, problem: String, remedy: String) {
        let place = self.source.at(at);
        let key = format!("masters.{}.{key}", self.name);
        self.errors.push(SettingError { place, key, problem, remedy });
    }
}

/// Returns what a master takes that names no domains: as without a file, else its own name.
fn default_domains(name: &str) -> Vec<String> {
    match Policy::default().masters.get(name) {
        Some(known) => known.domains.clone(),
        None => vec![name.to_lowercase()],
    }
}
