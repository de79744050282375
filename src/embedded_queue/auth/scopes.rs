//! Scope expressions: what a call needs, and what of it is missing (taskcluster-api.md 2.3).

use scriptworker_core::scope::Scope;
use serde_json::{Value, json};

/// What a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    One(String),
    AllOf(Vec<Expression>),
    AnyOf(Vec<Expression>),
}

impl Expression {
    /// A single scope.
    pub(crate) fn one(scope: impl Into<String>) -> Self {
        Self::One(scope.into())
    }

    /// Several scopes, all needed.
    pub(crate) fn all(scopes: impl IntoIterator<Item = String>) -> Self {
        Self::AllOf(scopes.into_iter().map(Self::One).collect())
    }

    /// Whether these scopes are enough. A text that cannot be a scope is satisfied by none.
    pub(crate) fn is_satisfied(&self, have: &[Scope]) -> bool {
        match self {
            Self::One(text) => {
                Scope::parse(text).is_ok_and(|need| have.iter().any(|scope| scope.satisfies(&need)))
            }
            Self::AllOf(parts) => parts.iter().all(|part| part.is_satisfied(have)),
            Self::AnyOf(parts) => parts.iter().any(|part| part.is_satisfied(have)),
        }
    }

    /// The part that is missing; `None` when nothing is.
    fn missing(&self, have: &[Scope]) -> Option<Self> {
        if self.is_satisfied(have) {
            return None;
        }
        Some(match self {
            Self::AllOf(parts) => {
                let mut missing: Vec<_> = parts.iter().filter_map(|part| part.missing(have)).collect();
                match (missing.pop(), missing.is_empty()) {
                    (Some(only), true) => only,
                    (last, _) => {
                        missing.extend(last);
                        Self::AllOf(missing)
                    }
                }
            }
            other => other.clone(),
        })
    }

    fn to_json(&self) -> Value {
        match self {
            Self::One(scope) => json!(scope),
            Self::AllOf(parts) => json!({"AllOf": parts.iter().map(Self::to_json).collect::<Vec<_>>()}),
            Self::AnyOf(parts) => json!({"AnyOf": parts.iter().map(Self::to_json).collect::<Vec<_>>()}),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::One(scope) => scope.clone(),
            other => format!("{:#}", other.to_json()),
        }
    }

    /// What a client is told that lacks scopes.
    pub(crate) fn complaint(&self, client_id: Option<&str>, have: &[Scope]) -> String {
        let need = self.shown();
        match (client_id, self.missing(have)) {
            (Some(client), Some(missing)) => format!(
                "Client ID {client} does not have sufficient scopes and is missing the following scopes:\n\n```\n{}\n```\n\nThis request requires the client to satisfy the following scope expression:\n\n```\n{need}\n```",
                missing.shown()
            ),
            _ => format!(
                "This request requires Taskcluster credentials that satisfy the following scope expression:\n\n```\n{need}\n```"
            ),
        }
    }
}
