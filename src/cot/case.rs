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
                let _ = thread::Builder::new().name("judge".to_owned()).spawn_scoped(scope, share);
            }
            share();
        });
    }
}
