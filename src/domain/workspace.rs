//! What is known of the folder that work is done in: gathered outside, handed on as data.

/// Source files from which on the languages of a workspace say what it consists of.
const TELLING_FILES_MIN: u32 = 20;

/// What was found in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workspace {
    /// Files that were counted.
    pub files: u32,
    /// True when there are more than were looked at.
    pub cut: bool,
    /// Source files of each language, the most first.
    pub languages: Vec<(&'static str, u32)>,
    /// Tools that build or test it, those nearest to the top first.
    pub tools: Vec<Tool>,
    /// Files that say what is checked elsewhere on every change.
    pub ci: Vec<String>,
    /// What coordinates work there already.
    pub workflows: Vec<FoundWorkflow>,
    /// Plans that others have laid down there.
    pub plans: Vec<FoundPlan>,
}

/// A tool that builds or tests a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// What it is called.
    pub name: &'static str,
    /// The file that speaks for it, relative to the workspace.
    pub file: String,
    /// The language that it is for; empty where it is for any.
    pub language: &'static str,
    /// The command that runs the tests, if there is one.
    pub test: Option<&'static str>,
}

/// A file that coordinates work, and what speaks for that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundWorkflow {
    /// Relative to the workspace.
    pub path: String,
    /// The folder, the name or the word in it.
    pub sign: String,
}

/// A plan that somebody else laid down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundPlan {
    /// Relative to the workspace.
    pub path: String,
    /// What it is for, as far as it says.
    pub goal: String,
}

impl Workspace {
    /// Returns how its tests are run: by the tool of the language that most of it is written in, else
    /// by the one nearest to the top.
    pub fn test_command(&self) -> Option<&'static str> {
        let tests = || self.tools.iter().filter(|tool| tool.test.is_some());
        let by_language = self.languages.iter().find_map(|(language, _)| {
            tests().find(|tool| tool.language == *language).and_then(|tool| tool.test)
        });
        by_language.or_else(|| tests().next().and_then(|tool| tool.test))
    }

    /// Tells whether it has anything that users see and anything that serves; nothing where too
    /// little is written in it to say so.
    pub fn sides(&self) -> Option<Sides> {
        const SEEN: [&str; 6] = ["HTML", "CSS", "React", "Vue", "Svelte", "Dart"];
        // Either side can be written in these.
        const EITHER: [&str; 2] = ["JavaScript", "TypeScript"];
        let count = |wanted: &dyn Fn(&str) -> bool| -> u32 {
            self.languages.iter().filter(|(name, _)| wanted(name)).map(|(_, count)| count).sum()
        };
        let all = count(&|_| true);
        if all < TELLING_FILES_MIN || count(&|name| EITHER.contains(&name)) * 5 > all {
            return None;
        }
        let seen = count(&|name| SEEN.contains(&name));
        Some(Sides { seen: seen * 20 > all, serving: seen < all })
    }

    /// Returns what was found, a sentence each.
    pub fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if self.files > 0 || self.cut {
            let more = if self.cut { "more than " } else { "" };
            let languages: Vec<String> = self
                .languages
                .iter()
                .take(4)
                .map(|(name, count)| format!("{name} ({count})"))
                .collect();
            let languages = match languages.as_slice() {
                [] => String::new(),
                some => format!(": {}", some.join(", ")),
            };
            facts.push(format!("{more}{} files{languages}", self.files));
        }
        let tools = self.tools.iter().map(|tool| {
            let test = tool.test.map(|test| format!(", tests with `{test}`"));
            format!("{} ({}){}", tool.name, tool.file, test.unwrap_or_default())
        });
        facts.extend(tools);
        facts.extend(self.ci.iter().map(|file| format!("checked elsewhere by {file}")));
        let workflows = self.workflows.iter();
        facts.extend(workflows.map(|found| format!("workflow {}: {}", found.path, found.sign)));
        let plans = self.plans.iter();
        facts.extend(plans.map(|plan| format!("plan {}: {}", plan.path, plan.goal)));
        facts
    }
}

/// Which sides of a product a workspace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// What users see.
    pub seen: bool,
    /// What serves it.
    pub serving: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &'static str, language: &'static str, test: Option<&'static str>) -> Tool {
        Tool { name, file: format!("{name}.toml"), language, test }
    }

    #[test]
    fn tests_are_run_by_the_tool_of_the_main_language() {
        let mut workspace = Workspace {
            tools: vec![
                tool("make", "", Some("make test")),
                tool("cargo", "Rust", Some("cargo test")),
                tool("npm", "TypeScript", None),
            ],
            ..Workspace::default()
        };
        assert_eq!(workspace.test_command(), Some("make test"));
        workspace.languages = vec![("TypeScript", 9), ("Rust", 3)];
        assert_eq!(workspace.test_command(), Some("cargo test"));
        assert_eq!(Workspace::default().test_command(), None);
    }

    #[test]
    fn few_files_and_languages_of_either_side_say_nothing() {
        let sides = |languages: &[(&'static str, u32)]| {
            Workspace { languages: languages.to_vec(), ..Workspace::default() }.sides()
        };
        assert_eq!(sides(&[]), None);
        assert_eq!(sides(&[("Rust", 19)]), None);
        assert_eq!(sides(&[("Rust", 20)]), Some(Sides { seen: false, serving: true }));
        assert_eq!(sides(&[("Rust", 20), ("HTML", 5)]), Some(Sides { seen: true, serving: true }));
        assert_eq!(sides(&[("Vue", 20)]), Some(Sides { seen: true, serving: false }));
        assert_eq!(sides(&[("Rust", 20), ("TypeScript", 20)]), None);
    }
}
