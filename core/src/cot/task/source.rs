//! What a task says of the source tree it comes from: variables of its environment with a prefix that each product
//! chooses (chain-of-trust.md 2.3).

use super::Definition;

/// The readers for one prefix, such as `GECKO`.
#[derive(Debug, Clone, Copy)]
pub struct SourceEnv<'a> {
    task: &'a Definition,
    prefix: &'a str,
}

impl Definition {
    /// The readers for a prefix.
    pub fn source_env<'a>(&'a self, prefix: &'a str) -> SourceEnv<'a> {
        SourceEnv { task: self, prefix }
    }
}

impl<'a> SourceEnv<'a> {
    /// A variable that is set to something.
    fn variable(&self, name: &str) -> Option<&'a str> {
        self.task.env(&format!("{}_{name}", self.prefix)).filter(|text| !text.is_empty())
    }

    /// The repository that was pushed to, without a slash at the end; of one without, that it is based on.
    pub fn repository(&self) -> Option<&'a str> {
        let repository = self.variable("HEAD_REPOSITORY").or_else(|| self.variable("BASE_REPOSITORY"))?;
        Some(repository.trim_end_matches('/'))
    }

    /// The repository that was pushed to, if the task names one.
    pub fn head_repository(&self) -> Option<&'a str> {
        self.variable("HEAD_REPOSITORY").map(|repository| repository.trim_end_matches('/'))
    }

    /// The repository that a pull request is for.
    pub fn base_repository(&self) -> Option<&'a str> {
        self.variable("BASE_REPOSITORY").map(|repository| repository.trim_end_matches('/'))
    }

    /// The revision.
    pub fn revision(&self) -> Option<&'a str> {
        self.variable("HEAD_REV")
    }

    /// The revision before the push, or that a pull request is for.
    pub fn base_revision(&self) -> Option<&'a str> {
        self.variable("BASE_REV")
    }

    /// The branch.
    pub fn branch(&self) -> Option<&'a str> {
        self.variable("HEAD_BRANCH").or_else(|| self.variable("HEAD_REF"))
    }

    /// The branch that a pull request is for.
    pub fn base_branch(&self) -> Option<&'a str> {
        self.variable("BASE_BRANCH").or_else(|| self.variable("BASE_REF"))
    }

    /// Who started a cron task by hand.
    pub fn triggered_by(&self) -> Option<&'a str> {
        self.variable("TRIGGERED_BY")
    }

    /// The number of the pull request.
    pub fn pull_request(&self) -> Option<u64> {
        self.variable("PULL_REQUEST_NUMBER")?.parse().ok()
    }

    /// When it was pushed.
    pub fn pushed_at(&self) -> Option<&'a str> {
        self.variable("PUSH_DATE_TIME")
    }
}
