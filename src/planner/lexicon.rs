//! The word lists and templates, read once from the data files that are compiled in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use super::languages::{self, Languages};
use crate::domain::plan::ModelTier;

/// All lists. They are constants: reading them once is no state.
static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::read);

/// Returns the lists.
pub(super) fn lexicon() -> &'static Lexicon {
    &LEXICON
}

/// A kind of work.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    /// Also the ending of subtask ids.
    pub(super) name: String,
    /// Without other evidence a step waits for the steps of the next lower rank.
    pub(super) rank: u32,
    pub(super) worker: String,
    pub(super) domain: String,
    /// True when the kind decides the domain, whatever words surround it.
    #[serde(default)]
    pub(super) fixed: bool,
    /// True when it only looks: wide wording does not make it big.
    #[serde(default)]
    pub(super) quick: bool,
    /// How strong a model its steps need.
    #[serde(default)]
    pub(super) model: ModelTier,
    pub(super) minutes: [u32; 2],
    pub(super) tokens: u32,
    /// Minutes of a bare goal of this kind, before it is split.
    #[serde(default)]
    pub(super) goal_minutes: Option<u32>,
    /// Verbs that leave the kind to their object: `add tests` is about tests.
    #[serde(default)]
    light: Vec<String>,
    verbs: Vec<String>,
    #[serde(default)]
    nouns: Vec<String>,
    pub(super) title: String,
    pub(super) task: String,
    pub(super) done: String,
}

/// A field of work.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Domain {
    pub(super) name: String,
    words: Vec<String>,
    aliases: Vec<String>,
    /// Whose masters take its work if nobody names it.
    pub(super) instead: Vec<String>,
}

/// Lists of words that rules look for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) fillers: Vec<String>,
    pub(super) then: Vec<String>,
    pub(super) first: Vec<String>,
    pub(super) last: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) wishes: Vec<String>,
    pub(super) orders: Vec<String>,
    pub(super) courtesies: Vec<String>,
    pub(super) elaborations: Vec<String>,
    pub(super) subjects: BTreeSet<String>,
    pub(super) articles: BTreeSet<String>,
    pub(super) closed: BTreeSet<String>,
    pub(super) lookups: BTreeSet<String>,
    pub(super) makers: BTreeSet<String>,
    noun_too: BTreeSet<String>,
    pub(super) abstract_things: BTreeSet<String>,
    pub(super) symptoms: BTreeSet<String>,
    pub(super) constraints: Vec<String>,
    pub(super) scope: Vec<String>,
    pub(super) scope_not: Vec<String>,
    pub(super) large: BTreeSet<String>,
    pub(super) small: BTreeSet<String>,
    pub(super) external: Vec<String>,
    pub(super) vague: BTreeSet<String>,
    pub(super) empty: BTreeSet<String>,
    pub(super) stop: BTreeSet<String>,
    pub(super) ends: BTreeSet<String>,
    pub(super) generic: BTreeSet<String>,
    pub(super) ui: BTreeSet<String>,
    pub(super) server: BTreeSet<String>,
    pub(super) criteria_headings: Vec<String>,
    pub(super) constraint_headings: Vec<String>,
    pub(super) other_headings: Vec<String>,
    pub(super) not_files: BTreeSet<String>,
    pub(super) extensions: BTreeSet<String>,
    pub(super) synonyms: BTreeMap<String, String>,
    pub(super) signals: Signals,
    phrasal: BTreeMap<String, String>,
}

/// Words that speak for one shape of work (S2-20 to S2-23).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signals {
    pub(super) fix: Vec<String>,
    pub(super) add: Vec<String>,
    pub(super) refactor: Vec<String>,
    pub(super) project: Vec<String>,
}

/// How a bare goal unfolds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub(super) name: String,
    /// The kinds of goal that it is for.
    kinds: Vec<String>,
    /// Kinds that it can be given on top and that are steps of it already.
    #[serde(default)]
    pub(super) extend: Vec<String>,
    #[serde(rename = "step")]
    pub(super) steps: Vec<TemplateStep>,
}

/// One step of a template.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateStep {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) after: Vec<String>,
    #[serde(default)]
    pub(super) when: Option<String>,
    /// True for the step that is the goal itself, in the author's words.
    #[serde(default)]
    pub(super) goal: bool,
}

/// An object whose files are known by convention.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownObject {
    pub(super) slug: String,
    words: BTreeSet<String>,
    /// By kind of step.
    pub(super) files: BTreeMap<String, Vec<String>>,
}

/// A verb that was recognised.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb {
    pub(super) kind: &'static Kind,
    /// The verb as one says it in an order.
    pub(super) lemma: &'static str,
    /// True when the object may decide the kind.
    pub(super) light: bool,
    /// True for `deploying`: it names an action, it does not ask for one.
    pub(super) gerund: bool,
    /// How many words it takes.
    pub(super) length: usize,
    /// True when it is no English one: each form of it is listed.
    pub(super) foreign: bool,
}

/// Everything that the data files say.
pub(super) struct Lexicon {
    kinds: Vec<Kind>,
    verbs: HashMap<String, (usize, bool)>,
    nouns: HashMap<String, usize>,
    pub(super) domains: Vec<Domain>,
    domain_words: HashMap<String, usize>,
    pub(super) words: Words,
    pub(super) languages: Languages,
    templates: Vec<Template>,
    objects: Vec<KnownObject>,
}

#[derive(Deserialize)]
struct KindsFile {
    kind: Vec<Kind>,
}

#[derive(Deserialize)]
struct DomainsFile {
    domain: Vec<Domain>,
}

#[derive(Deserialize)]
struct TemplatesFile {
    template: Vec<Template>,
    object: Vec<KnownObject>,
}

impl Lexicon {
    fn read() -> Self {
        const SOUND: &str = "the lists are constants, and a test reads them";
        let kinds: KindsFile = toml::from_str(include_str!("templates/kinds.toml")).expect(SOUND);
        let domains: DomainsFile =
            toml::from_str(include_str!("templates/domains.toml")).expect(SOUND);
        let mut words: Words = toml::from_str(include_str!("templates/words.toml")).expect(SOUND);
        let foreign = languages::read();
        for language in &foreign {
            words.then.extend(language.then.iter().cloned());
            words.last.extend(language.last.iter().cloned());
            words.first.extend(language.first.iter().cloned());
            words.fillers.extend(language.fillers.iter().cloned());
            words.constraints.extend(language.constraints.iter().cloned());
        }
        let languages = Languages::of(&foreign);
        let templates: TemplatesFile =
            toml::from_str(include_str!("templates/templates.toml")).expect(SOUND);
        let (mut verbs, mut nouns) = (HashMap::new(), HashMap::new());
        for (at, kind) in kinds.kind.iter().enumerate() {
            for verb in &kind.verbs {
                verbs.entry(verb.clone()).or_insert((at, false));
            }
            for verb in &kind.light {
                verbs.entry(verb.clone()).or_insert((at, true));
            }
            for noun in &kind.nouns {
                nouns.entry(noun.clone()).or_insert(at);
            }
        }
        for (noun, english) in &languages.nouns {
            if let Some(&at) = nouns.get(english) {
                nouns.entry(noun.clone()).or_insert(at);
            }
        }
        let mut domain_words = HashMap::new();
        for (at, domain) in domains.domain.iter().enumerate() {
            for word in &domain.words {
                domain_words.entry(word.clone()).or_insert(at);
            }
        }
        Self {
            kinds: kinds.kind,
            verbs,
            nouns,
            domains: domains.domain,
            domain_words,
            words,
            languages,
            templates: templates.template,
            objects: templates.object,
        }
    }

    /// Returns a kind by name; `general` for a name that no list has.
    pub(super) fn kind(&'static self, name: &str) -> &'static Kind {
        self.kind_named(name).unwrap_or_else(|| &self.kinds[self.kinds.len() - 1])
    }

    /// Returns a kind by name; nothing for a name that no list has.
    pub(super) fn kind_named(&'static self, name: &str) -> Option<&'static Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// Returns all kinds.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Recognises the verb that `words` (lower case) begin with.
    pub(super) fn verb(&'static self, words: &[&str]) -> Option<Verb> {
        let first = *words.first()?;
        if let Some(second) = words.get(1)
            && let Some(one) = self.words.phrasal.get(&format!("{first} {second}"))
        {
            return self.exact_verb(one).map(|verb| Verb { length: 2, ..verb });
        }
        let exact = self.exact_verb(first).or_else(|| {
            let (english, length) = self.languages.verb(words)?;
            self.exact_verb(english).map(|verb| Verb { length, foreign: true, ..verb })
        });
        exact.or_else(|| {
            stems(first).iter().find_map(|stem| {
                let gerund = first.ends_with("ing");
                self.exact_verb(stem).map(|verb| Verb { gerund, ..verb })
            })
        })
    }

    /// Recognises a verb that stands at the end of an order: `die Tests anpassen`.
    pub(super) fn last_verb(&'static self, word: &str) -> Option<Verb> {
        let verb = self.exact_verb(self.languages.last_verb(word)?)?;
        Some(Verb { foreign: true, ..verb })
    }

    fn exact_verb(&'static self, word: &str) -> Option<Verb> {
        let (lemma, &(kind, light)) = self.verbs.get_key_value(word)?;
        Some(Verb {
            kind: &self.kinds[kind],
            lemma,
            light,
            gerund: false,
            length: 1,
            foreign: false,
        })
    }

    /// Tells whether a verb is spelled like a noun: `and test pages` may not be two things.
    pub(super) fn is_noun_too(&self, word: &str) -> bool {
        self.nouns.contains_key(word) || self.words.noun_too.contains(word)
    }

    /// Returns the kind that a noun phrase (lower-case words) is about: its longest known ending.
    pub(super) fn noun(&'static self, phrase: &[&str]) -> Option<&'static Kind> {
        let known = |name: &str| {
            // `CHANGELOG.md` is a changelog.
            let name = name.strip_suffix(".md").unwrap_or(name);
            self.nouns.get(name)
        };
        (phrase.len().saturating_sub(3)..phrase.len())
            .find_map(|from| known(&phrase[from..].join(" ")))
            .map(|&at| &self.kinds[at])
    }

    /// Returns the kind that a whole noun phrase names, or nothing if a word is left over.
    pub(super) fn whole_noun(&'static self, phrase: &str) -> Option<&'static Kind> {
        self.nouns.get(phrase).map(|&at| &self.kinds[at])
    }

    /// Returns the domain that a word speaks for.
    pub(super) fn domain_of(&self, word: &str) -> Option<&str> {
        self.domain_words.get(word).map(|&at| self.domains[at].name.as_str())
    }

    /// Returns the domain that an author means by a word such as `audit`.
    pub(super) fn domain_named(&self, name: &str) -> Option<&str> {
        let named = |d: &&Domain| d.name == name || d.aliases.iter().any(|alias| alias == name);
        self.domains.iter().find(named).map(|domain| domain.name.as_str())
    }

    /// Returns how a goal of this kind unfolds; as a general one, if no template is for it.
    pub(super) fn template(&self, kind: &str) -> &Template {
        let found = self.templates.iter().find(|t| t.kinds.iter().any(|k| k == kind));
        found.unwrap_or_else(|| &self.templates[self.templates.len() - 1])
    }

    /// Returns what is known by convention of an object that has one of these words.
    pub(super) fn object(&self, words: &[String]) -> Option<&KnownObject> {
        self.objects.iter().find(|object| words.iter().any(|word| object.words.contains(word)))
    }
}

/// Returns what `deploying` or `deploys` may come from.
fn stems(word: &str) -> Vec<String> {
    if let Some(stem) = word.strip_suffix("ing").filter(|stem| stem.len() >= 2) {
        let mut stems = vec![stem.to_owned(), format!("{stem}e")];
        let mut letters = stem.chars().rev();
        if letters.next() == letters.next() {
            let mut shorter = stem.to_owned();
            shorter.pop();
            stems.push(shorter);
        }
        return stems;
    }
    match word.strip_suffix('s').filter(|stem| stem.len() >= 3 && !stem.ends_with('s')) {
        Some(stem) => vec![stem.to_owned(), stem.strip_suffix('e').unwrap_or(stem).to_owned()],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sound() {
        let lexicon = Lexicon::read();
        let kinds: BTreeSet<&str> = lexicon.kinds.iter().map(|k| k.name.as_str()).collect();
        assert_eq!(kinds.len(), lexicon.kinds.len(), "a kind is there twice");
        assert_eq!(lexicon.kinds.last().unwrap().name, "general");
        assert_eq!(lexicon.templates.last().unwrap().name, "general");
        let domains: BTreeSet<&str> = lexicon.domains.iter().map(|d| d.name.as_str()).collect();
        for kind in &lexicon.kinds {
            assert!(domains.contains(kind.domain.as_str()), "{} has no domain", kind.name);
            assert!(kind.minutes[0] <= kind.minutes[1] && kind.minutes[1] <= 30, "{}", kind.name);
            assert!(kind.minutes[0] > 0 && (1..=20_000).contains(&kind.tokens), "{}", kind.name);
        }
        for domain in &lexicon.domains {
            assert!(domain.instead.iter().all(|other| domains.contains(other.as_str())));
        }
        for template in &lexicon.templates {
            let steps: Vec<&str> = template.steps.iter().map(|s| s.kind.as_str()).collect();
            for (at, step) in template.steps.iter().enumerate() {
                assert!(kinds.contains(step.kind.as_str()), "{}: {}", template.name, step.kind);
                let known = |after: &String| steps[..at].contains(&after.as_str());
                assert!(step.after.iter().all(known), "{}: {}", template.name, step.kind);
            }
            assert!(template.kinds.iter().all(|kind| kinds.contains(kind.as_str())));
        }
        for verb in lexicon.words.phrasal.values() {
            assert!(lexicon.verbs.contains_key(verb), "{verb}");
        }
    }

    #[test]
    fn verbs_are_known_in_every_form() {
        for (words, kind, gerund) in [
            (&["refactoring"][..], "refactor", true),
            (&["deploys"], "deploy", false),
            (&["running"], "implement", true),
            (&["migrating"], "migrate", true),
            (&["set", "up"], "setup", false),
            (&["roll", "out"], "deploy", false),
            (&["fixes"], "fix", false),
        ] {
            let verb = lexicon().verb(words).unwrap();
            assert_eq!((verb.kind.name.as_str(), verb.gerund), (kind, gerund), "{words:?}");
        }
        for word in ["spring", "bus", "string", "ing", "s", ""] {
            assert!(lexicon().verb(&[word]).is_none(), "{word}");
        }
    }
}
