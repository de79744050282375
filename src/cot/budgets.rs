//! How much one verification may cost. A chain that is larger than that is refused; one that takes longer has no verdict.

use scriptworker_core::cot::evidence::{Answer, Evidence};
use std::cell::Cell;
use std::time::Duration;

const GIB: u64 = 1 << 30;

/// The limits of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// The most links of the chain. More of them is a verdict: `limit`.
    pub links: usize,
    /// The most bytes of artifacts, documents and answers, all together. More of them is a verdict: `limit`.
    pub bytes: u64,
    /// How many questions are open at the same time; each artifact is one.
    pub at_once: usize,
    /// How long evidence may be gathered. What takes longer has no verdict: it is unavailable.
    pub time: Duration,
}

impl Default for Budgets {
    /// 1000 links, 64 GiB, 8 questions at once, an hour.
    fn default() -> Self {
        Self { links: 1000, bytes: 64 * GIB, at_once: 8, time: Duration::from_secs(3600) }
    }
}

/// What is left of the bytes. What did not come to an answer costs nothing: trouble on the way never makes a verdict.
#[derive(Debug)]
pub struct Purse {
    limit: u64,
    spent: Cell<u64>,
}

impl Purse {
    /// Less what is known already.
    pub fn new(limit: u64, known: &Evidence) -> Self {
        let spent = known.iter().map(|(_, answer)| match answer {
            Answer::Present(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Answer::Stored(stored) => stored.length,
            Answer::Absent | Answer::TooLarge { .. } | Answer::Forbidden { .. } => 0,
        });
        Self { limit, spent: Cell::new(spent.fold(0, u64::saturating_add)) }
    }

    /// Begins something that costs.
    pub(super) fn open(&self) -> Spending<'_> {
        Spending { purse: self, amount: 0 }
    }

    /// The answer, if there is enough left for its bytes; it is paid then.
    pub(super) fn pay(&self, answer: Answer) -> Answer {
        let mut spending = self.open();
        match &answer {
            Answer::Present(bytes) if !spending.add(bytes.len()) => Answer::TooLarge { limit: self.limit },
            Answer::Present(_)
            | Answer::Stored(_)
            | Answer::Absent
            | Answer::TooLarge { .. }
            | Answer::Forbidden { .. } => {
                spending.keep();
                answer
            }
        }
    }
}

/// One answer on its way. Dropped, it has cost nothing.
#[derive(Debug)]
pub(super) struct Spending<'a> {
    purse: &'a Purse,
    amount: u64,
}

impl Spending<'_> {
    /// Takes bytes; false when there are not as many left.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if !self.allows(bytes) {
            return false;
        }
        self.purse.spent.set(self.purse.spent.get() + bytes);
        self.amount += bytes;
        true
    }

    /// Whether there are as many left.
    pub(super) fn allows(&self, bytes: u64) -> bool {
        self.purse.spent.get().saturating_add(bytes) <= self.purse.limit
    }

    /// The whole budget, in bytes.
    pub(super) fn limit(&self) -> u64 {
        self.purse.limit
    }

    /// It has come to an answer.
    pub(super) fn keep(mut self) {
        self.amount = 0;
    }
}

impl Drop for Spending<'_> {
    fn drop(&mut self) {
        self.purse.spent.set(self.purse.spent.get() - self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scriptworker_core::cot::need::Need;

    #[test]
    fn row_078_only_answers_cost() {
        let mut known = Evidence::new();
        known.add(Need::Projects, Answer::Present(vec![0; 10].into())).unwrap();
        let purse = Purse::new(30, &known);
        let mut failed = purse.open();
        assert!(failed.add(20) && !failed.add(1));
        assert!(!purse.open().allows(1));
        drop(failed);
        let mut good = purse.open();
        assert!(good.allows(20) && !good.allows(21) && good.add(15));
        good.keep();
        assert_eq!(purse.pay(Answer::Present(vec![0; 6].into())), Answer::TooLarge { limit: 30 });
        assert_eq!(purse.pay(Answer::Present(vec![0; 5].into())), Answer::Present(vec![0; 5].into()));
        assert_eq!(purse.pay(Answer::Absent), Answer::Absent);
        assert!(!purse.open().allows(1));
    }
}
