//! What is to be judged and by what, owned: it travels to the threads that judge.

use super::budgets::Budgets;
use super::renderer::{RendererTrouble, Subprocess};
use scriptworker_core::cot::chain::{ChainLimits, Subject};
use scriptworker_core::cot::evidence::Evidence;
use scriptworker_core::cot::judge::{self, Case, Judgement, Spread};
use scriptworker_core::cot::keys::{Implementation, Keys};
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::policy::{Policy, Product};
use scriptworker_core::openpgp::Keyring;
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The most tasks that one task may rest on.
const MOST_INPUTS: usize = 100;
/// For how many links another thread is worth its start.
const LINKS_PER_THREAD: usize = 16;
/// The name of such a thread.
const HELPER: &str = "judge";

/// A case with everything it refers to. The fields are those of [`Case`].
#[derive(Debug)]
pub struct OwnedCase {
    /// The task.
    pub subject: Subject,
    /// Whether its own attestation is looked at, too.
    pub attested: bool,
    /// The policy.
    pub policy: Policy,
    /// The tables of the product.
    pub product: Product,
    /// By implementation.
    pub keyrings: BTreeMap<Implementation, Keyring>,
    /// Whether signatures are checked at all.
    pub check_signatures: bool,
    /// What renders templates.
    pub renderer: Subprocess,
    /// The most steps from the task to a link (`max_chain_length`).
    pub hops: usize,
    /// How much it may cost.
    pub budgets: Budgets,
    /// The time of the judgement, by this machine.
    pub now: UnixMillis,
    /// The same by the queue, if it told.
    pub queue_now: Option<UnixMillis>,
}

impl OwnedCase {
    /// What has to be known still. Blocks.
    ///
    /// # Errors
    /// When a template could not be rendered for a reason of this machine.
    pub fn needs(&self, evidence: &Evidence) -> Result<Vec<Need>, RendererTrouble> {
        self.with(|case| judge::needs(case, evidence))
    }

    /// The verdict. Blocks.
    ///
    /// # Errors
    /// As for [`OwnedCase::needs`]: there is no verdict then.
    pub fn judge(&self, evidence: &Evidence) -> Result<Judgement, RendererTrouble> {
        self.with(|case| judge::judge(case, evidence))
    }

    fn with<T>(&self, judge: impl FnOnce(&Case<'_>) -> T) -> Result<T, RendererTrouble> {
        let keys = Keys { openpgp: &self.keyrings, ed25519: &self.policy.keys, check: self.check_signatures };
        let judged = judge(&Case {
            subject: &self.subject,
            attested: self.attested,
            policy: &self.policy,
            product: &self.product,
            keys: &keys,
            renderer: &self.renderer,
            spread: &Threads,
            limits: ChainLimits { hops: self.hops, links: self.budgets.links, inputs: MOST_INPUTS },
            now: self.now,
            queue_now: self.queue_now,
        });
        self.renderer.take_trouble().map_or(Ok(judged), Err)
    }
}

/// Spreads work over the processors.
struct Threads;

impl Spread for Threads {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        spread(processors, count, work);
    }
}

/// Does `work` for each number below `count`, on at most so many processors. A panic of it is the caller's.
fn spread(processors: usize, count: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let share = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            work(number);
        }
    };
    thread::scope(|scope| {
        for _ in 1..processors.min(count / LINKS_PER_THREAD) {
            // one that cannot be started leaves its share to the others
            let _ = thread::Builder::new().name(HELPER.to_owned()).spawn_scoped(scope, share);
        }
        share();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn is_helper() -> bool {
        thread::current().name() == Some(HELPER)
    }

    #[test]
    fn each_number_is_worked_on_exactly_once() {
        for count in [0, 1, 15, 16, 31, 32, 1000] {
            for processors in [0, 1, 2, 5, 1000] {
                let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                spread(processors, count, &|number| {
                    done[number].fetch_add(1, Ordering::SeqCst);
                });
                let done: Vec<_> = done.into_iter().map(AtomicUsize::into_inner).collect();
                assert_eq!(done, vec![1; count], "{processors} processors");
            }
            let done = AtomicUsize::new(0);
            Threads.each(count, &|number| {
                assert!(number < count);
                done.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(done.into_inner(), count);
        }
    }

    /// Which threads work, when none goes on before another one has come or so much time is over.
    fn threads(count: usize, wait: Duration) -> (usize, usize) {
        let (own, helpers) = (AtomicUsize::new(0), AtomicUsize::new(0));
        spread(2, count, &|_| {
            let (mine, theirs) = if is_helper() { (&helpers, &own) } else { (&own, &helpers) };
            mine.fetch_add(1, Ordering::SeqCst);
            let began = Instant::now();
            while theirs.load(Ordering::SeqCst) == 0 && began.elapsed() < wait {
                thread::yield_now();
            }
        });
        (own.into_inner(), helpers.into_inner())
    }

    #[test]
    fn another_thread_helps_with_32_links_and_not_with_31() {
        assert_eq!(threads(31, Duration::from_millis(1)), (31, 0));
        let (own, helpers) = threads(32, PATIENCE);
        assert!(own > 0 && helpers > 0 && own + helpers == 32, "{own} {helpers}");
    }

    /// Whether it panics; a test that waits for ever would not say so.
    fn panics(count: usize, work: impl Fn(usize) + Send + Sync + 'static) -> bool {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| spread(2, count, &work)));
            let _ = tell.send(ended.is_err());
        });
        told.recv_timeout(PATIENCE).unwrap()
    }

    #[test]
    fn a_panic_of_the_work_is_the_callers_on_whichever_thread_it_was() {
        for count in [1, 16, 32, 1000] {
            assert!(!panics(count, |_| {}));
            assert!(panics(count, |_| panic!("all")), "{count}");
            assert!(panics(count, move |number| assert!(number + 1 < count, "the last")), "{count}");
        }
        let fallen = Arc::new(AtomicUsize::new(0));
        let falls = Arc::clone(&fallen);
        let began = Instant::now();
        let only_the_helper = move |_| {
            if is_helper() {
                falls.fetch_add(1, Ordering::SeqCst);
                panic!("a helper");
            }
            while falls.load(Ordering::SeqCst) == 0 && began.elapsed() < PATIENCE {
                thread::yield_now();
            }
        };
        assert!(panics(32, only_the_helper));
        assert_eq!(fallen.load(Ordering::SeqCst), 1, "it was the helper");
    }
}
