//! Where every key path of a file stands: findings are made by path, often long after the tree is gone, and get
//! their line here.

use super::keys::RENAMED;
use super::problem::ConfigProblem;
use super::tree::{Data, Node, Spot, join};
use std::collections::BTreeMap;

/// The places of a file: of a key for what is in a map, of the value for what is in a list.
#[derive(Debug, Clone, Default)]
pub(super) struct Spots(BTreeMap<String, Spot>);

impl Spots {
    /// Of a whole file.
    pub(super) fn of(root: &Node) -> Self {
        let mut spots = Self::default();
        spots.walk(root, "");
        spots
    }

    fn walk(&mut self, node: &Node, path: &str) {
        match &node.data {
            Data::Map(entries) => {
                for (key, value) in entries {
                    let place = join(path, &key.key_text());
                    self.add(&place, key);
                    self.walk(value, &place);
                }
            }
            Data::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{path}[{index}]");
                    self.add(&place, item);
                    self.walk(item, &place);
                }
            }
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Text(_) => {}
        }
    }

    /// The first one counts: a second key of the same name is a finding with a place of its own.
    fn add(&mut self, place: &str, node: &Node) {
        if let Some(spot) = node.at {
            self.0.entry(place.to_owned()).or_insert(spot);
        }
    }

    /// The place of a key path, of its old name, or of the innermost part of it that is there.
    pub(super) fn find(&self, path: &str) -> Option<Spot> {
        let mut rest = path;
        loop {
            let old = RENAMED.iter().find(|(_, new)| *new == rest).map(|(old, _)| *old);
            let found = self.0.get(rest).or_else(|| self.0.get(old?));
            if found.is_some() {
                return found.copied();
            }
            rest = rest.rfind(['.', '[']).and_then(|end| rest.get(..end))?;
        }
    }

    /// Gives the findings their places: those that have none and are about this file.
    pub(super) fn locate(&self, findings: &mut [ConfigProblem]) {
        for finding in findings {
            if finding.line.is_none()
                && finding.file.is_none()
                && let Some(spot) = self.find(&finding.key)
            {
                finding.line = Some(spot.line);
                finding.column = Some(spot.column);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::read;
    use super::*;

    #[test]
    fn finds_paths_their_parents_and_old_names() {
        let spots = Spots::of(&read("a:\n  - x\n  - {b.c: 1}\nlog_num_backups: 3\n").unwrap());
        let line = |path: &str| spots.find(path).map(|spot| (spot.line, spot.column));
        for (path, expected) in [
            ("a", Some((1, 1))),
            ("a[0]", Some((2, 5))),
            ("a[1].b.c", Some((3, 6))),
            ("a[1].b.d", Some((3, 5))),
            ("a[7].x", Some((1, 1))),
            ("log_max_backups", Some((4, 1))),
            ("b", None),
            ("", None),
        ] {
            assert_eq!(line(path), expected, "{path}");
        }
    }
}
