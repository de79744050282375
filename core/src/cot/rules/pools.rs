//! Where decision, action and image tasks may run (chain-of-trust.md 5.1, 5.2, 6.1 and 6.5).

use crate::cot::finding::Finding;
use crate::cot::policy::{PoolPattern, Product};
use crate::cot::reason::Reason;
use crate::cot::task::Definition;

/// A parent task ran in a pool for decision tasks; where restricted scopes are asked for, in none of level 1.
pub(in crate::cot) fn parent(product: &Product, task: &Definition, privileged: bool) -> Result<(), Finding> {
    if !product.is_decision_pool(task.pool()) {
        return Err(elsewhere(&product.decision_pools, task));
    }
    if privileged && product.is_level_1_pool(task.pool()) {
        return Err(Finding::new(Reason::Level).at("taskQueueId").found(task.pool()));
    }
    Ok(())
}

/// A docker-image task ran in a pool for such.
pub(in crate::cot) fn image(product: &Product, task: &Definition) -> Result<(), Finding> {
    if product.is_image_pool(task.pool()) {
        return Ok(());
    }
    Err(elsewhere(&product.image_pools, task))
}

fn elsewhere(pools: &[PoolPattern], task: &Definition) -> Finding {
    let names: Vec<_> = pools.iter().map(PoolPattern::as_str).collect();
    let finding = Finding::new(Reason::Pool).at("taskQueueId");
    finding.expected(format!("one of {}", names.join(", "))).found(task.pool())
}
