//! How rules look at evidence. A rule asks for what it needs; what is not there yet is noted as a need, and the rule is
//! tried again when it is.

use super::evidence::{Answer, Evidence};
use super::finding::{Finding, LinkName, Rule};
use super::need::Need;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a rule did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Something it needs is not known yet; the need was noted.
    Waiting,
    /// It rests on something that another rule has refused: there is nothing to judge.
    Void,
    /// Broken.
    Broken(Box<Finding>),
}

impl Stop {
    /// What is left of it for others, once its own rule has told what is broken.
    pub(super) fn told(self) -> Self {
        match self {
            Self::Broken(_) | Self::Void => Self::Void,
            Self::Waiting => Self::Waiting,
        }
    }
}

/// What a rule, or a look at the evidence, comes to.
pub(super) type Step<T> = Result<T, Stop>;

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Broken(Box::new(finding))
    }
}

/// What a rule came to on one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It holds, and something is worth knowing about how.
    Noted(String),
    /// It is broken.
    Broken(Box<Finding>),
    /// It rests on something that is refused already.
    Void,
}

impl Outcome {
    /// Whether nothing is left to be desired.
    fn holds(&self) -> bool {
        matches!(self, Self::Passed | Self::Noted(_))
    }
}

/// What does not hold is not replaced by what does; the first that is broken stays.
fn keep(of_link: &mut BTreeMap<Rule, Outcome>, rule: Rule, outcome: Outcome) {
    match of_link.get(&rule) {
        Some(Outcome::Broken(_)) => {}
        Some(Outcome::Void) if outcome.holds() => {}
        Some(Outcome::Passed | Outcome::Noted(_) | Outcome::Void) | None => {
            of_link.insert(rule, outcome);
        }
    }
}

/// What every rule came to, by link.
pub(super) type Outcomes = BTreeMap<LinkName, BTreeMap<Rule, Outcome>>;

/// What a pass leaves: what is needed, and what was decided.
pub(super) type Found = (BTreeSet<Need>, Outcomes);

/// One pass of all rules over the evidence that there is.
pub(super) struct Pass<'a> {
    evidence: &'a Evidence,
    wanted: RefCell<BTreeSet<Need>>,
    outcomes: RefCell<Outcomes>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(evidence: &'a Evidence) -> Self {
        Self { evidence, wanted: RefCell::default(), outcomes: RefCell::default() }
    }

    /// The answer; if there is none yet, it becomes a need.
    pub(super) fn ask(&self, need: &Need) -> Step<&'a Answer> {
        self.evidence.get(need).ok_or_else(|| self.want(need))
    }

    /// The SHA-256 of an answer that is bytes, kept over passes.
    pub(super) fn sha256(&self, need: &Need) -> Step<[u8; 32]> {
        self.evidence.sha256(need).ok_or_else(|| self.want(need))
    }

    /// What `parse` makes of the answer, kept over passes.
    pub(super) fn parsed<T: Send + Sync + 'static>(
        &self,
        need: &Need,
        parse: impl FnOnce(&Answer) -> T,
    ) -> Step<Arc<T>> {
        self.evidence.parsed(need, parse).ok_or_else(|| self.want(need))
    }

    fn want(&self, need: &Need) -> Stop {
        self.wanted.borrow_mut().insert(need.clone());
        Stop::Waiting
    }

    /// Keeps what a rule came to. True once it is decided and holds. What still waits counts as not judged: then there
    /// is a need, or there is no verdict that could hold.
    pub(super) fn record(&self, link: &LinkName, rule: Rule, step: Step<Option<String>>) -> bool {
        let outcome = match step {
            Ok(None) => Outcome::Passed,
            Ok(Some(note)) => Outcome::Noted(note),
            Err(Stop::Broken(finding)) => Outcome::Broken(finding),
            Err(Stop::Void | Stop::Waiting) => Outcome::Void,
        };
        let holds = outcome.holds();
        let mut outcomes = self.outcomes.borrow_mut();
        match outcomes.get_mut(link) {
            Some(of_link) => keep(of_link, rule, outcome),
            None => drop(outcomes.insert(link.clone(), BTreeMap::from([(rule, outcome)]))),
        }
        holds
    }

    /// Takes over what a pass over a part has left.
    pub(super) fn absorb(&self, (wanted, outcomes): Found) {
        self.wanted.borrow_mut().extend(wanted);
        let mut all = self.outcomes.borrow_mut();
        for (link, of_link) in outcomes {
            let together = all.entry(link).or_default();
            of_link.into_iter().for_each(|(rule, outcome)| keep(together, rule, outcome));
        }
    }

    /// What the pass is over.
    pub(super) fn evidence(&self) -> &'a Evidence {
        self.evidence
    }

    /// What is needed, and what was decided.
    pub(super) fn finish(self) -> Found {
        (self.wanted.into_inner(), self.outcomes.into_inner())
    }
}

/// All steps are taken, so that every need is noted in one pass; then the worst of them counts: a broken one before
/// one that waits, a waiting one before a void one.
pub(super) fn all<T>(steps: impl IntoIterator<Item = Step<T>>) -> Step<Vec<T>> {
    let mut good = Vec::new();
    let mut worst: Option<Stop> = None;
    for step in steps {
        match step {
            Ok(value) => good.push(value),
            Err(stop) => {
                worst = match (worst, stop) {
                    (Some(Stop::Broken(first)), _) => Some(Stop::Broken(first)),
                    (_, Stop::Broken(finding)) => Some(Stop::Broken(finding)),
                    (Some(Stop::Waiting), _) | (_, Stop::Waiting) => Some(Stop::Waiting),
                    (_, Stop::Void) => Some(Stop::Void),
                };
            }
        }
    }
    worst.map_or(Ok(good), Err)
}

/// A check on two things, both of which have to be there.
pub(super) fn both<A, B>(
    a: &Step<A>,
    b: &Step<B>,
    check: impl Fn(&A, &B) -> Result<(), Finding>,
) -> Step<()> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok(check(a, b)?),
        (Err(Stop::Waiting), _) | (_, Err(Stop::Waiting)) => Err(Stop::Waiting),
        _ => Err(Stop::Void),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::Reason;
    use super::*;

    fn broken(reason: Reason) -> Stop {
        Finding::new(reason).into()
    }

    #[test]
    fn of_two_both_have_to_be_there_and_to_fit() {
        let fits = |a: &u8, b: &u8| if a == b { Ok(()) } else { Err(Finding::new(Reason::RunId)) };
        let (void, waiting) = (Err(Stop::Void), Err(Stop::Waiting));
        let told = Err(broken(Reason::Hash));
        for (a, b, expected) in [
            (Ok(1), Ok(1), Ok(())),
            (Ok(1), Ok(2), Err(broken(Reason::RunId))),
            (Ok(1), waiting.clone(), Err(Stop::Waiting)),
            (waiting.clone(), Ok(1), Err(Stop::Waiting)),
            (waiting.clone(), waiting.clone(), Err(Stop::Waiting)),
            (waiting.clone(), void.clone(), Err(Stop::Waiting)),
            (told.clone(), waiting, Err(Stop::Waiting)),
            (Ok(1), void.clone(), Err(Stop::Void)),
            (void.clone(), Ok(1), Err(Stop::Void)),
            (void.clone(), void, Err(Stop::Void)),
            // told by its own rule
            (told.clone(), Ok(1), Err(Stop::Void)),
            (Ok(1), told, Err(Stop::Void)),
        ] {
            assert_eq!(both(&a, &b, fits), expected, "{a:?} and {b:?}");
        }
    }

    #[test]
    fn what_does_not_hold_is_not_replaced_by_what_does() {
        let (noted, broken) =
            (Outcome::Noted("x".to_owned()), |reason| Outcome::Broken(Box::new(Finding::new(reason))));
        for (first, then, stays) in [
            (Outcome::Passed, noted.clone(), noted.clone()),
            (noted.clone(), Outcome::Passed, Outcome::Passed),
            (Outcome::Passed, Outcome::Void, Outcome::Void),
            (noted.clone(), broken(Reason::Hash), broken(Reason::Hash)),
            (Outcome::Void, Outcome::Passed, Outcome::Void),
            (Outcome::Void, noted.clone(), Outcome::Void),
            (Outcome::Void, Outcome::Void, Outcome::Void),
            (Outcome::Void, broken(Reason::Hash), broken(Reason::Hash)),
            (broken(Reason::Hash), Outcome::Passed, broken(Reason::Hash)),
            (broken(Reason::Hash), noted, broken(Reason::Hash)),
            (broken(Reason::Hash), Outcome::Void, broken(Reason::Hash)),
            (broken(Reason::Hash), broken(Reason::Json), broken(Reason::Hash)),
        ] {
            let mut of_link = BTreeMap::from([(Rule::Chain, first.clone())]);
            keep(&mut of_link, Rule::Chain, then.clone());
            assert_eq!(of_link, BTreeMap::from([(Rule::Chain, stays)]), "{first:?}, then {then:?}");
        }
    }

    #[test]
    fn a_rule_that_waits_is_one_that_is_not_judged() {
        let evidence = Evidence::new();
        let link = LinkName { name: "a".to_owned(), task_id: "Ypg6xKhKRU-pnkwylNQrMw".parse().unwrap() };
        for (step, holds, outcome) in [
            (Ok(None), true, Outcome::Passed),
            (Ok(Some("x".to_owned())), true, Outcome::Noted("x".to_owned())),
            (Err(Stop::Void), false, Outcome::Void),
            (Err(Stop::Waiting), false, Outcome::Void),
            (Err(broken(Reason::Hash)), false, Outcome::Broken(Box::new(Finding::new(Reason::Hash)))),
        ] {
            let (whole, part) = (Pass::new(&evidence), Pass::new(&evidence));
            assert_eq!(part.record(&link, Rule::Source, step.clone()), holds, "{step:?}");
            whole.absorb(part.finish());
            let (_, outcomes) = whole.finish();
            assert_eq!(outcomes.get(&link), Some(&BTreeMap::from([(Rule::Source, outcome)])), "{step:?}");
        }
    }

    #[test]
    fn of_no_steps_all_pass() {
        assert_eq!(all::<u8>([]), Ok(Vec::new()));
    }

    #[test]
    fn one_that_does_not_pass_decides_whatever_its_place() {
        let ranks = [broken(Reason::Hash), Stop::Waiting, Stop::Void];
        for (strong, first) in ranks.iter().enumerate() {
            assert_eq!(all([Ok(1), Err(first.clone()), Ok(2)]), Err(first.clone()));
            for weaker in ranks.iter().skip(strong) {
                let both = [Err::<u8, _>(first.clone()), Err(weaker.clone())];
                assert_eq!(all(both.clone()), Err(first.clone()));
                assert_eq!(all(both.into_iter().rev()), Err(first.clone()));
            }
        }
        assert_eq!(
            all([Err::<u8, _>(broken(Reason::Hash)), Err(broken(Reason::Json))]),
            Err(broken(Reason::Hash))
        );
    }
}
