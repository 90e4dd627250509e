//! Reads the `[masters.NAME]` tables: who takes work, and how Baton runs it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::layers::Source;
use super::problem::{SettingError, suggestion};
use super::settings::shown;
use super::supervision;
use super::table::Reader;
use crate::backend::{self, BackendSettings};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::policy::MasterPolicy;
use crate::domain::report::ResultKind;
use crate::domain::worker::Execution;

/// The backend that has no process: a master elsewhere.
const EXTERNAL: &str = "external";
/// The keys of a master, and what each is, for the documentation.
pub(super) const KEYS: [(&str, &str); 13] = [
    ("backend", "who runs its work: external (somebody takes the handoff files), command, brief"),
    ("argv", "program and arguments of `command`; no shell"),
    ("env", "table of variables to set"),
    ("env_allow", "variables of the daemon to pass on; a name may end in *"),
    ("stdin", "true gives the handoff on standard input"),
    ("domains", "fields of work it takes"),
    ("description", "what it is good at: of equal masters the one whose words fit a step gets it"),
    ("max_active", "attempts at the same time"),
    ("orchestration", "false: tasks for it are never split"),
    (
        "fallbacks",
        "masters that get its work when it fails, the best first; without any, whoever takes the \
         same fields of work",
    ),
    ("may_stop", "true: Baton may stop the workers that this external master started itself"),
    ("starts_per_minute_max", "attempts that may begin within a minute; 0: any number"),
    ("supervision", "table of the keys of `[supervision]` that are otherwise for its workers"),
];

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
        let prefix = format!("masters.{name}");
        let mut reader = Reader { prefix, source, errors: &mut errors };
        let (policy, settings) = reader.master(name, table, key.span().start);
        if policy.execution != Execution::External {
            config.backends.insert(agent.clone(), settings);
        }
        config.policy.masters.insert(agent, policy);
    }
    for (key, value) in masters {
        check_fallbacks(&config.policy, key.get_ref(), value.get_ref(), source, &mut errors);
    }
    errors
}

/// Refuses fallbacks that are no masters, that are the master itself, or that are named twice.
/// What was said about the form of the list is not said again.
fn check_fallbacks(
    policy: &Policy,
    name: &str,
    value: &DeValue<'_>,
    source: &Source<'_>,
    errors: &mut Vec<SettingError>,
) {
    let Some(master) = policy.masters.get(name) else { return };
    let list = value.as_table().and_then(|table| {
        table.iter().find_map(|(key, _)| (*key.get_ref() == "fallbacks").then_some(key))
    });
    let Some(at) = list.map(|key| key.span().start) else { return };
    let known = policy.masters.keys().map(AgentName::as_str).filter(|known| *known != name);
    for (nth, fallback) in master.fallbacks.iter().enumerate() {
        let [problem, remedy] = if fallback.as_str() == name {
            [format!("{name} cannot stand in for itself"), "name other masters".to_owned()]
        } else if !policy.masters.contains_key(fallback) {
            let hint = suggestion(fallback.as_str(), known.clone());
            [format!("there is no master {:?}", fallback.as_str()), hint]
        } else if master.fallbacks[..nth].contains(fallback) {
            [format!("{fallback} is named twice"), "name it once".to_owned()]
        } else {
            continue;
        };
        let key = format!("masters.{name}.fallbacks");
        errors.push(SettingError { place: source.at(at), key, problem, remedy });
    }
}

/// What a `[masters.NAME]` table holds beside what every table may hold.
impl Reader<'_> {
    fn master(
        &mut self,
        name: &str,
        table: &DeTable<'_>,
        at: usize,
    ) -> (MasterPolicy, BackendSettings) {
        let mut policy = MasterPolicy::external(&[]);
        policy.domains = default_domains(name);
        let mut settings = BackendSettings::default();
        let mut backend = EXTERNAL.to_owned();
        for (key, value) in table {
            let at = key.span().start;
            match key.get_ref().as_ref() {
                "backend" => self.backend(at, value, &mut backend),
                "argv" => settings.argv = self.texts("argv", at, value),
                "env" => settings.env = self.env(at, value),
                "env_allow" => settings.env_allow = self.names("env_allow", at, value),
                "stdin" => self.switch("stdin", at, value, &mut settings.stdin),
                "domains" => policy.domains = self.domains(at, value),
                "max_active" => {
                    self.whole("max_active", at, value, 1..=4_096, &mut policy.attempts_active_max);
                }
                "fallbacks" => policy.fallbacks = self.fallbacks(at, value),
                "may_stop" => self.switch("may_stop", at, value, &mut policy.may_stop),
                "starts_per_minute_max" => self.whole(
                    "starts_per_minute_max",
                    at,
                    value,
                    0..=100_000,
                    &mut policy.starts_per_minute_max,
                ),
                "supervision" => {
                    let prefix = format!("{}.supervision", self.prefix);
                    policy.supervision =
                        supervision::changes(at, value, &prefix, self.source, self.errors);
                }
                "description" => policy.description = self.text("description", at, value),
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
        if backend != EXTERNAL
            && let Some((key, _)) = table.iter().find(|(key, _)| *key.get_ref() == "may_stop")
        {
            let problem = "Baton starts its workers itself and may always stop them".to_owned();
            let remedy = "remove it; it is for external masters".to_owned();
            self.error("may_stop", key.span().start, problem, remedy);
        }
        for (key, _) in table.iter().filter(|(key, _)| unused.contains(&key.get_ref().as_ref())) {
            let problem = format!("backend \"{backend}\" does not use it");
            let remedy = "remove it, or set backend = \"command\"".to_owned();
            self.error(key.get_ref(), key.span().start, problem, remedy);
        }
        let has_program = settings.argv.first().is_some_and(|program| !program.is_empty());
        let key = format!("{}.argv", self.prefix);
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

    fn fallbacks(&mut self, at: usize, value: &Spanned<DeValue<'_>>) -> Vec<AgentName> {
        let names = self.texts("fallbacks", at, value);
        let parse = |name: &String| match AgentName::parse(name.trim()) {
            Ok(name) => Some(name),
            Err(problem) => {
                let remedy = "name masters of this file".to_owned();
                self.error("fallbacks", at, problem.to_string(), remedy);
                None
            }
        };
        names.iter().filter_map(parse).collect()
    }

    fn domains(&mut self, at: usize, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let domains = self.texts("domains", at, value);
        if domains.iter().any(|domain| domain.trim().is_empty()) {
            let remedy = "name the field of work, e.g. \"security\"".to_owned();
            self.error("domains", at, "a name in it is empty".into(), remedy);
        }
        domains.iter().map(|domain| domain.trim().to_lowercase()).collect()
    }
}

/// Returns what a master takes that names no domains: as without a file, else its own name.
fn default_domains(name: &str) -> Vec<String> {
    match Policy::default().masters.get(name) {
        Some(known) => known.domains.clone(),
        None => vec![name.to_lowercase()],
    }
}
