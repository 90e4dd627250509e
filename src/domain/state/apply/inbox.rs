//! Events about dropped files, commands and files that cannot be used.

use crate::domain::effect::Effect;
use crate::domain::ids::ClaimId;
use crate::domain::input::{Command, Problem};
use crate::domain::moment::Moment;
use crate::domain::state::{Answer, Claim, Quarantined, State};

use super::Applied;

/// So many contents of one report are remembered beside the last, so that one who goes back and
/// forth between them is not told of each time.
const REPORTS_BEFORE_MAX: usize = 16;

impl State {
    /// Notes what is to become of a claimed file; settling it is owed from now on.
    pub(super) fn claim(&mut self, claim: &ClaimId, file: &str, refused: Option<&str>) {
        let kept = self.claims.get(claim).map(|known| known.file.clone());
        let what = Claim {
            file: kept.unwrap_or_else(|| file.to_owned()),
            refused: refused.map(str::to_owned),
        };
        self.claims.insert(claim.clone(), what);
        self.index.owed.insert(Effect::SettleClaim(claim.clone()));
    }

    pub(super) fn settled(&mut self, claim: &ClaimId) -> Applied {
        self.index.owed.remove(&Effect::SettleClaim(claim.clone()));
        self.claims.remove(claim).map(|_| ()).ok_or_else(|| format!("there is no claim {claim}"))
    }

    pub(super) fn answer(
        &mut self,
        claim: &ClaimId,
        command: &Command,
        ok: bool,
        message: &str,
        at: &Moment,
    ) {
        let Command { command_id, verb, target, .. } = command;
        self.claim(claim, command_id.as_str(), (!ok).then_some(message));
        let answer = Answer {
            at: *at,
            verb: verb.clone(),
            target: target.clone(),
            ok,
            message: message.to_owned(),
        };
        self.answers.entry(command_id.clone()).or_insert(answer);
    }

    pub(super) fn note_report(
        &mut self,
        path: &str,
        digest: &str,
        claim: Option<&ClaimId>,
        refused: Option<&str>,
    ) {
        let last = self.reports_seen.insert(path.to_owned(), digest.to_owned());
        if let Some(last) = last.filter(|last| last != digest) {
            let before = self.reports_before.entry(path.to_owned()).or_default();
            before.push(last);
            if before.len() > REPORTS_BEFORE_MAX {
                before.remove(0);
            }
        }
        if let Some(claim) = claim {
            self.claim(claim, path, refused);
        }
    }

    pub(super) fn quarantine(
        &mut self,
        problem: &Problem,
        digest: &str,
        copy: Option<&str>,
        at: &Moment,
    ) {
        let what = Quarantined {
            digest: digest.to_owned(),
            problem: problem.to_string(),
            copy: copy.map(str::to_owned),
            since: *at,
        };
        self.quarantined.insert(problem.file.clone(), what);
    }
}
