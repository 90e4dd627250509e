//! Who gets a step: the master that names its field of work, and among many agents the one that says
//! most of what the step is about.

mod details;
mod examples;
mod index;
mod memory;
mod rank;
mod sense;
mod topics;
mod words;

use super::lexicon::lexicon;
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::plan::Why;
use crate::domain::policy::MasterPolicy;
use crate::domain::validate::suggest::did_you_mean;

pub use rank::{Chosen, Selection, Selector, Suitable, Wanted};

/// Whether the work is a whole task or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// A whole task: any master.
    Whole,
    /// A part of a plan: only masters that take parts.
    Part,
}

/// A master that was chosen, and why.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) master: AgentName,
    pub(super) why: Why,
}

/// Chooses the master for a field of work; nothing if there is none at all.
///
/// The author's own choice comes first where it fits the field. Then comes the master that names
/// the field first among its own, then one for the fields that can stand in, then any.
pub(super) fn master(
    domain: &str,
    wanted: Option<&AgentName>,
    share: Share,
    policy: &Policy,
) -> Option<Choice> {
    let fields = with_substitutes(domain);
    let open = |settings: &MasterPolicy| share == Share::Whole || settings.orchestration_enabled;
    let candidates = || policy.masters.iter().filter(|(_, settings)| open(settings));
    for (rank, field) in fields.iter().enumerate() {
        let place = |settings: &MasterPolicy| settings.domains.iter().position(|d| d == field);
        let mut serving: Vec<(bool, usize, &AgentName)> = candidates()
            .filter_map(|(name, s)| Some((Some(name) != wanted, place(s)?, name)))
            .collect();
        serving.sort_unstable();
        if let Some((_, _, chosen)) = serving.first() {
            let evidence = if rank == 0 {
                format!("{chosen} takes {domain} work")
            } else {
                format!("no master takes {domain} work, {chosen} takes {field}")
            };
            let mut why = Why::new("S4-18 master by domain", evidence);
            why.alternatives = serving[1..].iter().map(|(_, _, name)| name.to_string()).collect();
            return Some(Choice { master: (*chosen).clone(), why });
        }
    }
    let (name, _) = candidates().find(|(name, _)| Some(*name) == wanted).or(candidates().next())?;
    let evidence = format!("no master takes {domain} work, {name} is the first there is");
    Some(Choice { master: name.clone(), why: Why::new("S4-18 master by domain", evidence) })
}

/// Looks up the master that an author asks for; real writers also say `development-master`.
///
/// # Errors
/// Reason and remedy, if nobody has that name.
pub(super) fn named<'a>(name: &str, policy: &'a Policy) -> Result<&'a AgentName, (String, String)> {
    let names = || policy.masters.keys().map(AgentName::as_str);
    let short = name.strip_suffix("-master").unwrap_or(name);
    let known = policy.masters.get_key_value(name).or_else(|| policy.masters.get_key_value(short));
    known.map(|(name, _)| name).ok_or_else(|| {
        let all: Vec<&str> = names().take(10).collect();
        (
            format!("assigned_to: {name:?} is no known master{}", did_you_mean(name, names())),
            format!("name one of {}, or leave it out", all.join(", ")),
        )
    })
}

/// Returns a field and those whose masters can stand in for it, nearest first.
fn with_substitutes(domain: &str) -> Vec<&str> {
    let known = lexicon().domains.iter().find(|known| known.name == domain);
    let instead = known.map(|known| known.instead.as_slice()).unwrap_or_default();
    std::iter::once(domain).chain(instead.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(domain: &str, wanted: Option<&str>, policy: &Policy, expected: Option<&str>) {
        let wanted = wanted.map(|name| AgentName::parse(name).unwrap());
        let choice = master(domain, wanted.as_ref(), Share::Part, policy);
        assert_eq!(choice.as_ref().map(|c| c.master.as_str()), expected, "{domain}");
    }

    #[test]
    fn masters_are_chosen_by_field_then_by_substitute_then_any() {
        let mut policy = Policy::default();
        check("security", None, &policy, Some("security"));
        check("docs", None, &policy, Some("development"));
        check("research", None, &policy, Some("development"));
        check("unheard-of", None, &policy, Some("cicd"));
        check("unheard-of", Some("inventory"), &policy, Some("inventory"));
        // The author's choice does not take the work of a specialist.
        check("security", Some("development"), &policy, Some("security"));
        let writers = AgentName::parse("aa-writers").unwrap();
        policy.masters.insert(writers, MasterPolicy::external(&["docs"]));
        check("docs", None, &policy, Some("aa-writers"));
        check("docs", Some("development"), &policy, Some("development"));
        policy.masters.values_mut().for_each(|settings| settings.orchestration_enabled = false);
        check("docs", None, &policy, None);
    }

    #[test]
    fn unknown_masters_come_with_a_suggestion() {
        let (reason, remedy) = named("secruity", &Policy::default()).unwrap_err();
        assert!(reason.ends_with("is no known master (did you mean security?)"), "{reason}");
        assert!(remedy.contains("cicd, development, inventory, security"), "{remedy}");
    }
}
