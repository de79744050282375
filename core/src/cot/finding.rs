//! What a rule found on a link: the facts, and the sentence that a reader of the log needs.

use super::reason::Reason;
use crate::ids::TaskId;
use serde::Serialize;
use std::fmt;

macro_rules! rules {
    ($($name:ident $text:literal $doc:literal)*) => {
        /// The rules, in the order in which they are shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule {
            $(#[doc = $doc] $name,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in verdicts.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What it demands, in one line.
            pub const fn demand(self) -> &'static str {
                match self {
                    $(Self::$name => $doc,)*
                }
            }
        }
    };
}

rules! {
    Chain "chain" "the chain is finite, without cycles, of known types, and within its limits"
    Implementation "implementation" "it is known beyond doubt which worker implementation ran the task"
    State "state" "the task is completed, and its newest run is the one that is looked at"
    Attestation "attestation" "the attestation has an accepted form and is signed by a key of its worker implementation"
    Identity "identity" "the attestation is about this task, this run and the worker that the queue gave it to"
    Definition "definition" "the definition that the worker signed is the one that the queue has"
    Graph "graph" "the task is in the task graph of exactly one verified parent, unchanged"
    Artifacts "artifacts" "every artifact that is used is attested, and is the one whose digest was signed"
    ParentPool "parent-pool" "a parent task ran in a pool for decision tasks"
    Command "command" "a parent or image task ran the command that the rules know"
    Tree "tree" "a parent task is what the source tree's template makes of its push"
    ImageTask "image-task" "a docker-image task ran in a pool for images"
    Image "image" "the image that the task ran in is accepted, or traced to its own task"
    Interactive "interactive" "nobody could interfere with the task while it ran"
    Features "features" "the task used no forbidden feature"
    Source "source" "the task's source is in a trusted repository, the same for the whole graph"
    Scopes "scopes" "restricted scopes are given by the source tree, and no try push or pull request asks for them"
}

/// Which link of the chain: the path of types from the verified task to it, and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkName {
    /// Such as `signing:build:parent`.
    pub name: String,
    /// The task.
    pub task_id: TaskId,
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.task_id)
    }
}

/// One broken rule. Texts may hold anything that a task says: whoever prints them escapes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Why.
    pub reason: Reason,
    /// Where: a JSON path, an artifact's name, an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What belongs there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// More, where the reason alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Finding {
    /// The longest text of one fact; more of it is left out.
    const MOST: usize = 500;

    /// One without facts yet.
    pub fn new(reason: Reason) -> Self {
        Self { reason, place: None, expected: None, found: None, detail: None }
    }

    /// Where.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(cut(place.to_string()));
        self
    }

    /// What belongs there.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(cut(expected.to_string()));
        self
    }

    /// What stands there.
    #[must_use]
    pub fn found(mut self, found: impl fmt::Display) -> Self {
        self.found = Some(cut(found.to_string()));
        self
    }

    /// More.
    #[must_use]
    pub fn because(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(cut(detail.to_string()));
        self
    }
}

/// The sentence: the meaning of the reason, then the facts.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text().meaning)?;
        if let Some(detail) = &self.detail {
            write!(f, " {detail}.")?;
        }
        if let Some(place) = &self.place {
            write!(f, " At {place}.")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, " Expected {expected}.")?;
        }
        if let Some(found) = &self.found {
            write!(f, " Found {found}.")?;
        }
        write!(f, " [{}]", self.reason)
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(Finding::MOST) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_where_expected_and_found() {
        let finding = Finding::new(Reason::GraphMismatch)
            .at("payload.env.GECKO_HEAD_REV")
            .expected("\"abc\"")
            .found("\"evil\"");
        assert_eq!(
            finding.to_string(),
            "The task differs from what its parent's task graph says. At payload.env.GECKO_HEAD_REV. \
             Expected \"abc\". Found \"evil\". [graph-mismatch]"
        );
    }

    #[test]
    fn facts_of_any_length_stay_short() {
        let finding = Finding::new(Reason::Json).found("ä".repeat(100_000));
        assert_eq!(finding.found.unwrap().chars().count(), 502);
    }
}
