//! The commands that decision and image tasks of the classic generation run (chain-of-trust.md 5.1 and 5.2).

use crate::cot::finding::Finding;
use crate::cot::policy::{DecisionCommand, Product};
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use serde_json::Value;

fn refused() -> Finding {
    Finding::new(Reason::Command).at("payload.command")
}

/// A decision task runs what makes task graphs, and nothing beside it: the whole sequence of words, in order.
pub(in crate::cot) fn decision(product: &Product, task: &Definition) -> Result<(), Finding> {
    let Some(rules) = &product.decision_command else { return Ok(()) };
    let words =
        task.at(&["payload", "command"]).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
    let words = words.ok_or_else(|| refused().expected("a list of texts"))?;
    let [start, middle @ .., shell] = words.as_slice() else {
        return Err(refused()
            .expected(format!("{} and a shell command", rules.start))
            .found(words.join(" ")));
    };
    if *start != rules.start {
        return Err(refused().expected(&rules.start).found(format!("{start:?}")));
    }
    let known = |word: &&str| {
        rules.middle.iter().any(|it| it == word)
            || rules.middle_prefixes.iter().any(|prefix| word.starts_with(prefix.as_str()))
    };
    if let Some(word) = middle.iter().find(|word| !known(word)) {
        return Err(refused()
            .expected(format!("one of {}", rules.middle.join(", ")))
            .found(format!("{word:?}")));
    }
    shell_commands(rules, shell)
}

/// What stands between `&&`: commands that do no harm, and the words of the sequence, options left out.
fn shell_commands(rules: &DecisionCommand, shell: &str) -> Result<(), Finding> {
    let mut said = Vec::new();
    for piece in shell.split("&&") {
        let words = split(piece)
            .ok_or_else(|| refused().found(format!("{piece:?}")).because("quotes that do not end"))?;
        let Some(first) = words.first() else {
            return Err(refused().found(format!("{shell:?}")).because("an empty command"));
        };
        if rules.other_commands.iter().any(|it| it == first) {
            continue;
        }
        said.extend(words.into_iter().filter(|word| !word.starts_with("--")));
    }
    if said == rules.sequence {
        return Ok(());
    }
    Err(refused().expected(rules.sequence.join(" ")).found(format!("{:?}", said.join(" "))))
}

/// The words of a command as a shell takes them; a character that would make it do more than run one command is a part
/// of its word, so that the word is not the one that is expected.
fn split(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {
                let inner = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        end if end == character => break,
                        '\\' if character == '"' => inner.push(characters.next()?),
                        other => inner.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// An image task runs the one command that builds images, or the one of its own image.
pub(in crate::cot) fn image(product: &Product, task: &Definition) -> Result<(), Finding> {
    let Some(expected) = &product.image_command else { return Ok(()) };
    let command = match task.at(&["payload", "command"]) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(words)) if words.is_empty() => return Ok(()),
        Some(command) => command,
    };
    let words: Option<Vec<&str>> =
        command.as_array().and_then(|words| words.iter().map(Value::as_str).collect());
    if words.is_some_and(|words| words == *expected) {
        return Ok(());
    }
    Err(refused().expected(expected.join(" ")).found(command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::policy::{CLASSIC, Policy};
    use crate::json::DocumentKind;
    use crate::yaml;
    use serde_json::json;

    fn task(command: Value) -> Definition {
        Definition::from_value(json!({
            "taskQueueId": "p/w", "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
            "payload": {"command": command},
        }))
        .unwrap()
    }

    fn run(rule: fn(&Product, &Definition) -> Result<(), Finding>, command: Value) -> Result<(), Reason> {
        let document = yaml::read_strict(CLASSIC.as_bytes(), DocumentKind::Policy).unwrap();
        let policy = Policy::from_value(document).unwrap();
        rule(policy.product("firefox").unwrap(), &task(command)).map_err(|finding| finding.reason)
    }

    const SHELL: &str = "cd /home/worker/checkouts/gecko && ln -s /a b && ./mach --log-no-times taskgraph decision \
                         --pushlog-id='1' --comment='it \"is\"'";

    fn command(shell: &str) -> Value {
        json!(["/home/worker/bin/run-task", "--vcs-checkout=/x", "--", "bash", "-cx", shell])
    }

    #[test]
    fn a_decision_task_makes_task_graphs() {
        assert_eq!(run(decision, command(SHELL)), Ok(()));
        for (word, expected) in [
            ("\"decision\"", Ok(())),
            ("\"deci\\sion\"", Ok(())),
            ("deci\\sion", Ok(())),
            ("deci'si'on", Ok(())),
            ("'deci\\sion'", Err(Reason::Command)),
            ("\"decision'", Err(Reason::Command)),
        ] {
            assert_eq!(run(decision, command(&format!("./mach taskgraph {word}"))), expected, "{word}");
        }
    }

    #[test]
    fn and_does_nothing_else() {
        let refused = Err(Reason::Command);
        for shell in [
            "cd /x && ./mach taskgraph",
            "cd /x",
            "",
            "cd /x && && ./mach taskgraph decision",
            "./mach taskgraph decision && curl evil",
            "./mach taskgraph decision evil",
            "./mach taskgraph decision; curl evil",
            "./mach taskgraph decision | sh",
            "./mach taskgraph decision $(curl evil)",
            "./mach taskgraph action",
            "taskgraph ./mach decision",
            "./mach taskgraph 'decision",
        ] {
            assert_eq!(run(decision, command(shell)), refused, "{shell}");
        }
        for command in [
            json!(["/evil", "--", "bash", "-cx", SHELL]),
            json!(["/home/worker/bin/run-task", "evil", SHELL]),
            json!(["/home/worker/bin/run-task"]),
            json!([]),
            json!("x"),
            json!(["/home/worker/bin/run-task", 1, SHELL]),
            json!(null),
        ] {
            assert_eq!(run(decision, command.clone()), refused, "{command}");
        }
    }

    #[test]
    fn an_image_task_builds_images() {
        for command in [json!(null), json!([]), json!(["/bin/bash", "-c", "/home/worker/bin/build_image.sh"])]
        {
            assert_eq!(run(image, command.clone()), Ok(()), "{command}");
        }
        for command in [json!(["/bin/bash", "-c", "evil"]), json!("x"), json!({}), json!(["/bin/bash"])] {
            assert_eq!(run(image, command.clone()), Err(Reason::Command), "{command}");
        }
    }
}
