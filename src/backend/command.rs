//! A program that the operator configured.

use super::{Backend, Launch, LaunchRequest, report_path};

/// Runs the `argv` of the settings.
pub(super) const COMMAND: Backend = Backend { name: "command", launch, interpret: super::judge };

fn launch(request: &LaunchRequest<'_>) -> Result<Launch, String> {
    let value = |name: &str| value_of(name, request);
    let mut argv = request.settings.argv.iter().map(|arg| fill_in(arg, &value));
    let program = argv.next().filter(|program| !program.is_empty()).ok_or_else(|| {
        format!(
            "no program is configured for `{}`; set `argv` of this master in baton.toml",
            request.attempt.agent
        )
    })?;
    Ok(Launch {
        program: program.into(),
        args: argv.collect(),
        env: super::environment(request),
        inherit: super::inherited(request.settings),
        cwd: request.workspace.to_path_buf(),
        stdin: request.settings.stdin.then(|| request.handoff_path.to_path_buf()),
    })
}

/// Says what stands for each placeholder of an argument.
fn value_of(name: &str, request: &LaunchRequest<'_>) -> Option<String> {
    match name {
        "handoff" => Some(request.handoff_path.to_string_lossy().into_owned()),
        "workspace" => Some(request.workspace.to_string_lossy().into_owned()),
        "report" => Some(report_path(request).to_string_lossy().into_owned()),
        "worker_id" => Some(request.attempt.worker_id.to_string()),
        "coordination" => Some(request.coordination.to_string_lossy().into_owned()),
        _ => None,
    }
}

/// Fills in the placeholders of one argument, each once from left to right: what is filled in is
/// never looked at again. Other braces stay as they are.
pub fn fill_in(arg: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(arg.len());
    let mut rest = arg;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        filled.push_str(before);
        let known =
            from.find('}').and_then(|close| Some((value(&from[1..close])?, &from[close + 1..])));
        match known {
            Some((text, after)) => {
                filled.push_str(&text);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = &from[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}
