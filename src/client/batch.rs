//! Many requests at once: one JSON line in, one JSON line out, and a bad line stops nothing.

use serde::Serialize;
use serde_json::Value;

use super::outside::{Outside, OutsideError};
use super::preview::{self, Verdict};
use crate::clock;
use crate::domain::Policy;
use crate::domain::ids::TaskId;
use crate::domain::plan::{Asked, Choice, Plan, Range, Subtask, Why, Workflow};
use crate::domain::read;
use crate::domain::task::TaskSpec;
use crate::planner::{self, Chosen, Said, Suitable, Surroundings, Wanted};

/// The fields in which the text of a request is looked for, first one first.
const TEXT_FIELDS: [&str; 3] = ["text", "request", "query"];

/// So many agents are named beside the one that is chosen.
const FALLBACKS_MAX: usize = 3;

/// One request of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What its author calls it; the number of its line, where it has no name.
    pub id: Value,
    /// What is asked for.
    pub text: String,
    /// The agents that may be chosen for it; all of them where nothing is said.
    pub candidates: Option<Vec<String>>,
}

/// Why a line cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// The field that is wrong, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What can be done about it.
    pub remedy: &'static str,
}

/// What becomes of one request, for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// As in the line that was read.
    pub id: Value,
    /// decompose, single, reject or clarify.
    pub verdict: &'static str,
    /// The shape of the work, if it is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Workflow>,
    /// How sure the planner is, 0 to 1.
    pub confidence: f64,
    /// What its author is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Who drafted it; empty where nobody did.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub planner: String,
    /// How a planner outside was asked, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<Asked>>,
    /// Why it was refused, or why it was planned so.
    pub reasons: Vec<String>,
    /// What is no step.
    pub attributes: Attributes,
    /// The steps.
    pub subtasks: Vec<Step>,
    /// The clauses as their author said them.
    pub nodes: Vec<String>,
    /// What comes before what among them; 0 is the start, one beyond the last is the end.
    pub edges: Vec<[usize; 2]>,
    /// Who is suitable for the request as a whole, the best first; empty where nobody is.
    pub agents: Vec<Chosen>,
    /// How clear that choice is.
    pub selection: Clearness,
    /// Milliseconds that planning it and choosing agents took.
    pub ms: f64,
}

/// How clear a choice of an agent is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clearness {
    /// clear, close or nobody.
    pub verdict: Suitable,
    /// How sure the choice of the first one is, 0 to 1.
    pub confidence: f64,
    /// How far the second one is behind, as a part of the first one's score.
    pub margin: f64,
    /// Why nobody is suitable, or why one was preferred.
    pub reasons: Vec<String>,
}

/// What a request says beside its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attributes {
    /// What has to be respected.
    pub constraints: Vec<String>,
    /// How one can tell that it is done.
    pub success_criteria: Vec<String>,
}

/// One step of a plan, for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its id in the plan.
    pub id: String,
    /// One line.
    pub title: String,
    /// What to do.
    pub description: String,
    /// What kind of work it is.
    pub kind: String,
    /// The field of work.
    pub domain: String,
    /// What has to be done before.
    pub depends_on: Vec<String>,
    /// Who would get it.
    pub agent: String,
    /// Why that one.
    pub agent_reasons: Vec<String>,
    /// Who would get it otherwise, the best first.
    pub fallbacks: Vec<String>,
    /// Why it is there, and why it waits.
    pub reasons: Vec<String>,
    /// What it may take.
    pub minutes: Range,
    /// True when the request does not name it.
    pub inferred: bool,
}

impl Line {
    /// Reads a line; `number` counts from 1.
    ///
    /// # Errors
    /// It is no object with a text.
    pub fn read(number: usize, bytes: &[u8]) -> Result<Line, LineError> {
        let wrong =
            |field, message: String, remedy| LineError { line: number, field, message, remedy };
        let value: Value = serde_json::from_slice(bytes).map_err(|e| {
            wrong(None, format!("it is no JSON: {e}"), "write one JSON object a line")
        })?;
        let Some(object) = value.as_object() else {
            let message = "it is JSON, but no object".to_owned();
            return Err(wrong(None, message, "write {\"id\": .., \"text\": ..}"));
        };
        let text = TEXT_FIELDS.into_iter().find_map(|field| Some((field, object.get(field)?)));
        let Some((field, text)) = text else {
            let message = format!("it has none of the fields {}", TEXT_FIELDS.join(", "));
            return Err(wrong(Some("text"), message, "say under `text` what is to be done"));
        };
        let Some(text) = text.as_str() else {
            let message = format!("{field} is no text");
            return Err(wrong(Some(field), message, "put the request in quotes"));
        };
        let names = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let candidates = match object.get("candidates") {
            None | Some(Value::Null) => None,
            Some(value) => Some(names(value).ok_or_else(|| {
                let message = "candidates is no list of names".to_owned();
                wrong(Some("candidates"), message, "write [\"one\", \"two\"], or leave it out")
            })?),
        };
        let id = object.get("id").cloned().unwrap_or_else(|| Value::from(number));
        Ok(Line { id, text: text.to_owned(), candidates })
    }
}

/// Plans one request. Nothing is written.
///
/// # Errors
/// A planner outside is asked, and a person ended that.
pub fn plan(
    line: &Line,
    policy: &Policy,
    surroundings: &Surroundings,
    outside: Option<&Outside>,
) -> Result<Planned, OutsideError> {
    let began_ns = clock::precisely_ns();
    let spec = read::text_task("text", &line.text).unwrap_or_else(|_| TaskSpec {
        title: line.text.replace('\0', " "),
        ..TaskSpec::default()
    });
    let task_id = TaskId::parse("batch").expect("it is a valid id");
    let asked = planner::Request { task: &spec, surroundings };
    let outcome = preview::draft(&asked, policy, outside)?;
    let verdict = preview::verdict(outcome, &task_id, policy, &|_| false);
    let said = Said::of(&spec);
    let candidates = line.candidates.as_deref();
    let wanted = Wanted { text: &line.text, candidates, ..Wanted::default() };
    let chosen = surroundings.select(&wanted);
    let edges = said.between_start_and_end();
    let mut planned = Planned {
        id: line.id.clone(),
        verdict: "reject",
        workflow: None,
        confidence: 1.0,
        question: None,
        planner: String::new(),
        asked: None,
        reasons: Vec::new(),
        attributes: Attributes { constraints: said.constraints, success_criteria: said.criteria },
        subtasks: Vec::new(),
        nodes: said.clauses,
        edges,
        selection: Clearness {
            verdict: chosen.verdict,
            confidence: chosen.confidence,
            margin: chosen.margin,
            reasons: chosen.reasons,
        },
        agents: chosen.agents,
        ms: 0.0,
    };
    match verdict {
        Verdict::Plan { plan } => planned.take("decompose", &plan),
        Verdict::Route { plan } => planned.take("single", &plan),
        Verdict::Refuse { reason, remedy, question } => {
            planned.verdict = if question.is_some() { "clarify" } else { "reject" };
            planned.reasons = vec![reason, remedy];
            planned.question = question;
        }
        Verdict::Invalid { errors, .. } => {
            planned.reasons = errors.into_iter().map(|error| error.message).collect();
        }
    }
    if let Some(candidates) = candidates {
        planned.choose_among(surroundings, candidates);
    }
    planned.ms = clock::precisely_ns().saturating_sub(began_ns) as f64 / 1e6;
    Ok(planned)
}

impl Planned {
    /// Chooses among candidates for each step; where none is suitable, its master keeps it.
    fn choose_among(&mut self, surroundings: &Surroundings, candidates: &[String]) {
        for step in &mut self.subtasks {
            let text = format!("{}. {}", step.title, step.description);
            let (kind, domain) = (step.kind.as_str(), step.domain.as_str());
            let candidates = Some(candidates);
            let wanted = Wanted { text: &text, kind, domain, candidates, ..Wanted::default() };
            let chosen = surroundings.select(&wanted);
            step.agent_reasons = chosen.reasons;
            let mut ranked = chosen.agents.into_iter();
            let Some(first) = ranked.next() else { continue };
            step.agent_reasons.insert(0, first.figures());
            step.agent_reasons.extend(first.reasons);
            step.agent = first.name;
            // Whoever stands in has to do the same, and not to add to it.
            let mut ranked: Vec<Chosen> = ranked.collect();
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
            let ranked = ranked.into_iter();
            step.fallbacks = ranked.take(FALLBACKS_MAX).map(|choice| choice.name).collect();
        }
    }

    fn take(&mut self, verdict: &'static str, plan: &Plan) {
        self.verdict = verdict;
        self.workflow = Some(plan.workflow);
        self.confidence = plan.confidence;
        self.planner.clone_from(&plan.explanation.planner);
        self.asked.clone_from(&plan.explanation.asked);
        self.reasons = plan.explanation.reasons.iter().map(told).collect();
        self.subtasks = plan.subtasks.iter().map(Step::of).collect();
    }
}

impl Step {
    fn of(subtask: &Subtask) -> Self {
        let Choice { masters, specialists } = &subtask.choice;
        let ranked = if specialists.is_empty() { masters } else { specialists };
        let first = ranked.first();
        let agent = first.map_or(subtask.assigned_to.as_str(), |ranked| ranked.agent.as_str());
        let reasons = first.into_iter().flat_map(|ranked| {
            std::iter::once(ranked.figures()).chain(ranked.reasons.iter().cloned())
        });
        Self {
            id: subtask.subtask_id.to_string(),
            title: subtask.title.clone(),
            description: subtask.description.clone(),
            kind: subtask.nature.kind.clone(),
            domain: subtask.nature.domain.clone(),
            depends_on: subtask.dependencies.iter().map(ToString::to_string).collect(),
            agent: agent.to_owned(),
            agent_reasons: reasons.collect(),
            fallbacks: ranked.iter().skip(1).map(|ranked| ranked.agent.clone()).collect(),
            reasons: subtask.why.iter().map(told).collect(),
            minutes: subtask.estimated_duration_range,
            inferred: subtask.nature.inferred,
        }
    }
}

fn told(why: &Why) -> String {
    format!("{}: {}", why.rule, why.evidence)
}
