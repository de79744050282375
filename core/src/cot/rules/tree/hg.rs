//! What a template refers to when the source tree is a Mercurial one (chain-of-trust.md 6.3).

use super::Parents;
use super::projects::Project;
use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::json::{DocumentKind, read_strict};
use crate::time::UnixMillis;
use serde_json::{Map, Value, json};

/// A push, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Push {
    id: String,
    user: String,
    date: Value,
    base: String,
    /// The description of its last changeset.
    description: String,
}

impl Push {
    /// Reads the answer about a revision: exactly one push, which has the revision (cot-attacks.md 106).
    pub(super) fn read(pushlog: &[u8], revision: &str) -> Result<Self, Finding> {
        let place =
            |detail: &dyn std::fmt::Display| Finding::new(Reason::Revision).at("the pushlog").because(detail);
        let value = read_strict(pushlog, DocumentKind::SourceAnswer)
            .map_err(|error| Finding::new(Reason::of_json(&error)).at("the pushlog").because(error))?;
        let pushes = value.get("pushes").and_then(Value::as_object);
        let mut pushes = pushes.into_iter().flatten();
        let (Some((id, push)), None) = (pushes.next(), pushes.next()) else {
            return Err(
                place(&"it does not tell of exactly one push").expected(format!("one with {revision}"))
            );
        };
        let changesets =
            push.get("changesets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let node = |changeset: &Value| changeset.get("node").and_then(Value::as_str) == Some(revision);
        if !changesets.iter().any(node) {
            return Err(place(&"the push does not have the revision").expected(revision));
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let read = || {
            Some(Self {
                id: id.clone(),
                user: text(push.get("user"))?,
                date: push.get("date").filter(|date| date.is_number())?.clone(),
                base: text(changesets.first()?.pointer("/parents/0"))?,
                description: text(changesets.last()?.get("desc"))?,
            })
        };
        read().ok_or_else(|| {
            Finding::new(Reason::Schema).at("the pushlog").expected("user, date and changesets")
        })
    }

    /// When it was made.
    pub(super) fn date(&self) -> Option<UnixMillis> {
        self.date.as_i64().map(|seconds| UnixMillis(seconds.saturating_mul(1000)))
    }

    /// The comment that the hook was given: nothing, or what the push itself says to the try server.
    fn comment(&self, said: &str) -> Result<String, Finding> {
        let from_push =
            self.description.find("try:").and_then(|at| self.description.get(at..)?.lines().next());
        match said {
            " " => Ok(said.to_owned()),
            said if from_push == Some(said) => Ok(said.to_owned()),
            said => {
                let finding =
                    Finding::new(Reason::TreeMismatch).at("the push's comment").found(format!("{said:?}"));
                Err(finding.expected(
                    from_push.map_or_else(|| "a blank".to_owned(), |text| format!("a blank or {text:?}")),
                ))
            }
        }
    }
}

/// `push` and `repository` of `hg-push` and `cron`.
pub(super) fn context(
    tasks_for: &str,
    parents: &Parents<'_>,
    project: &Project,
    push: &Push,
) -> Result<Map<String, Value>, Finding> {
    let source = parents.source();
    let (comment, owner) = match tasks_for {
        "cron" => (String::new(), "cron"),
        _ => {
            (push.comment(parents.decision.task.env("GECKO_COMMIT_MSG").unwrap_or(" "))?, push.user.as_str())
        }
    };
    let mut context = Map::new();
    context.insert(
        "push".to_owned(),
        json!({
            "base_revision": push.base, "revision": source.revision(), "comment": comment, "owner": owner,
            "pushlog_id": push.id, "pushdate": push.date,
        }),
    );
    context.insert(
        "repository".to_owned(),
        json!({"url": source.repository(), "level": project.level, "project": project.alias, "type": "hg"}),
    );
    if tasks_for == "cron" {
        context.insert("cron".to_owned(), super::facts::cron(&parents.parent.task)?);
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

    fn pushlog() -> Value {
        json!({"lastpushid": 9, "pushes": {"7": {
            "user": "a@b", "date": 1_700_000_000, "changesets": [
                {"node": "1", "parents": ["0"], "desc": "first"},
                {"node": REVISION, "parents": ["1"], "desc": "second\n  try: -b o\nmore"},
            ],
        }}})
    }

    fn read(pushlog: &Value) -> Result<Push, Reason> {
        Push::read(pushlog.to_string().as_bytes(), REVISION).map_err(|finding| finding.reason)
    }

    #[test]
    fn row_106_a_revision_is_in_exactly_one_push() {
        let push = read(&pushlog()).unwrap();
        assert_eq!((push.id.as_str(), push.base.as_str(), push.user.as_str()), ("7", "0", "a@b"));
        let mut two = pushlog();
        two["pushes"]["8"] = two["pushes"]["7"].clone();
        let mut other = pushlog();
        other["pushes"]["7"]["changesets"][1]["node"] = json!("x");
        for wrong in [two, other, json!({"pushes": {}}), json!({"error": "unknown revision"})] {
            assert_eq!(read(&wrong), Err(Reason::Revision), "{wrong}");
        }
        let mut odd = pushlog();
        odd["pushes"]["7"].as_object_mut().unwrap().remove("user");
        assert_eq!(read(&odd), Err(Reason::Schema));
        assert_eq!(Push::read(b"<html>", REVISION).unwrap_err().reason, Reason::Json);
    }

    #[test]
    fn a_comment_is_a_blank_or_what_the_push_says() {
        let push = read(&pushlog()).unwrap();
        assert_eq!(push.comment(" ").unwrap(), " ");
        assert_eq!(push.comment("try: -b o").unwrap(), "try: -b o");
        for evil in ["", "try: -b d", "try: -b o ", "x"] {
            assert_eq!(push.comment(evil).unwrap_err().reason, Reason::TreeMismatch, "{evil:?}");
        }
    }
}
