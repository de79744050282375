//! The statuses by name, as scripts know them.

/// Every status that a script may end with, and its exit code (worker.md 1).
///
/// 6 (`superseded`) stands here because scripts know it; today's queue refuses it, and the worker reports such a run
/// as `internal-error`.
pub const STATUSES: [(&str, u8); 8] = [
    ("success", 0),
    ("failure", 1),
    ("worker-shutdown", 2),
    ("malformed-payload", 3),
    ("resource-unavailable", 4),
    ("internal-error", 5),
    ("superseded", 6),
    ("intermittent-task", 7),
];

/// The exit code of a status's name.
pub fn exit_code(name: &str) -> Option<u8> {
    STATUSES.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::TaskStatus;

    #[test]
    fn names_and_numbers_are_those_of_the_worker() {
        for status in TaskStatus::ALL {
            assert_eq!(exit_code(status.name()), Some(status.number()));
        }
        for (at, (name, code)) in STATUSES.iter().enumerate() {
            assert_eq!(at, usize::from(*code), "{name}");
        }
        assert_eq!(exit_code("Success"), None);
    }
}
