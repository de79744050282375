//! One link: who it is, who signed it, and what every rule came to.

use super::svg::{self, Colour, cut, cut_front, wrapped};
use crate::cot::judge::{LinkReport, RuleReport};

/// The space within its edges.
pub(super) const PAD: usize = 12;
/// The width of one rule: its mark, and the longest name.
pub(super) const RULE: usize = 160;
/// The most lines of what is wrong with one rule.
const LINES: usize = 4;

/// A card, its texts cut but not yet escaped.
#[derive(Debug)]
pub(super) struct Card {
    /// How many rules stand in a line.
    pub(super) columns: usize,
    /// The first line is its name.
    pub(super) head: Vec<String>,
    /// What each rule came to.
    pub(super) rules: Vec<(Colour, &'static str)>,
    /// What is broken, and what is worth knowing.
    pub(super) notes: Vec<(Colour, String)>,
    /// Whether a rule is broken.
    pub(super) broken: bool,
    /// Whether a rule was not judged.
    pub(super) open: bool,
}

impl Card {
    /// The card of a link; a small one shows rules only when they do not hold.
    pub(super) fn of(link: &LinkReport, width: usize, small: bool) -> Self {
        let letters = (width - 2 * PAD) / svg::LETTER;
        let mut who = link.name.task_id.to_string();
        for more in [link.run_id.map(|run| format!("run {run}")), link.implementation.map(str::to_owned)] {
            who.extend(more.map(|more| format!(", {more}")));
        }
        let mut head = vec![cut_front(&link.name.name, letters), cut(&who, letters)];
        head.extend(link.signer.as_ref().map(|signer| cut(&format!("signed by {signer}"), letters)));
        let columns = (width - 2 * PAD) / RULE;
        let (rules, notes) = (Vec::new(), Vec::new());
        let mut card = Self { columns, head, rules, notes, broken: false, open: false };
        for report in &link.rules {
            card.add(report, letters, small);
        }
        if small {
            let holding = link.rules.iter().filter(|rule| matches!(rule, RuleReport::Passed { .. })).count();
            card.notes.insert(0, (Colour::Good, format!("{holding} rules hold")));
        }
        card
    }

    fn add(&mut self, report: &RuleReport, letters: usize, small: bool) {
        match report {
            RuleReport::Passed { rule, note } => {
                if !small {
                    self.rules.push((Colour::Good, rule.name()));
                    let note = note.as_ref().map(|note| cut(&format!("{}: {note}", rule.name()), letters));
                    self.notes.extend(note.map(|note| (Colour::Faint, note)));
                }
            }
            RuleReport::Failed { rule, finding } => {
                self.broken = true;
                self.rules.push((Colour::Bad, rule.name()));
                let sentence = format!("{}: {finding}", rule.name());
                let lines = wrapped(&sentence, letters, LINES).into_iter();
                self.notes.extend(lines.map(|line| (Colour::Bad, line)));
            }
            RuleReport::NotJudged { rule } => {
                self.open = true;
                if !small {
                    self.rules.push((Colour::Faint, rule.name()));
                }
            }
        }
    }

    /// Its height.
    pub(super) fn height(&self) -> usize {
        2 * PAD + (self.head.len() + self.rules.len().div_ceil(self.columns) + self.notes.len()) * svg::LINE
            - 6
    }
}
