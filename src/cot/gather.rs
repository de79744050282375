//! Asks, fetches and judges: level by level, until nothing is missing.

use super::budgets::Purse;
use super::case::OwnedCase;
use super::renderer::RendererTrouble;
use super::sources::{SourceError, Sources};
use futures_util::{StreamExt as _, stream};
use scriptworker_core::cot::evidence::{Contradiction, Evidence};
use scriptworker_core::cot::judge::Judgement;
use scriptworker_core::cot::need::Need;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// More levels than any chain within its limits has.
const MOST_ROUNDS: usize = 200;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// A question without a certain answer.
    #[error("{need}: {source}")]
    Source {
        /// The question.
        need: Box<Need>,
        /// What went wrong.
        source: SourceError,
    },
    /// This machine could not render a template.
    #[error("failed to {0}")]
    Renderer(#[from] RendererTrouble),
    /// Two answers to one question.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The questions do not end.
    #[error("expected the questions to end after {MOST_ROUNDS} rounds")]
    TooManyRounds,
    /// It takes longer than it may.
    #[error("expected all answers within {} s", limit.as_secs())]
    OutOfTime {
        /// The limit.
        limit: Duration,
    },
    /// The thread that judges is gone.
    #[error("the judgement was stopped")]
    Stopped,
}

impl GatherError {
    /// Whether the same may work later or elsewhere: something outside was not to be had, or this machine could not even
    /// start a process.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Source { source: SourceError::File(_), .. } => false,
            Self::Source { source: SourceError::Api(_) | SourceError::Fetch(_), .. }
            | Self::Renderer(_)
            | Self::OutOfTime { .. } => true,
            Self::Contradiction(_) | Self::TooManyRounds | Self::Stopped => false,
        }
    }
}

/// Gathers what is needed, adds it to `evidence`, and judges. `progress` hears of every answer.
///
/// # Errors
/// When a question has no certain answer, or not in time: there is no verdict then.
pub async fn verify(
    case: &Arc<OwnedCase>,
    sources: &Sources,
    evidence: Evidence,
    progress: impl Fn(&Need),
) -> Result<(Judgement, Evidence), GatherError> {
    verify_telling(case, sources, evidence, |need, _| progress(need)).await
}

/// As [`verify`]; `progress` hears, too, how many questions are open still.
///
/// # Errors
/// As for [`verify`].
pub async fn verify_telling(
    case: &Arc<OwnedCase>,
    sources: &Sources,
    evidence: Evidence,
    progress: impl Fn(&Need, usize),
) -> Result<(Judgement, Evidence), GatherError> {
    let limit = case.budgets.time;
    let evidence = match timeout(limit, gather(case, sources, evidence, progress)).await {
        Ok(gathered) => gathered?,
        Err(_) => return Err(GatherError::OutOfTime { limit }),
    };
    let judging = Arc::clone(case);
    let (judgement, evidence) = actix_rt::task::spawn_blocking(move || (judging.judge(&evidence), evidence))
        .await
        .map_err(|_| GatherError::Stopped)?;
    Ok((judgement?, evidence))
}

async fn gather(
    case: &Arc<OwnedCase>,
    sources: &Sources,
    mut evidence: Evidence,
    progress: impl Fn(&Need, usize),
) -> Result<Evidence, GatherError> {
    let purse = Purse::new(case.budgets.bytes, &evidence);
    for _ in 0..MOST_ROUNDS {
        let asking = Arc::clone(case);
        let (needs, known) = actix_rt::task::spawn_blocking(move || (asking.needs(&evidence), evidence))
            .await
            .map_err(|_| GatherError::Stopped)?;
        evidence = known;
        let needs = needs?;
        if needs.is_empty() {
            return Ok(evidence);
        }
        let mut open = needs.len();
        let mut answers = stream::iter(needs)
            .map(|need| async {
                match sources.answer(&need, &purse).await {
                    Ok(answer) => Ok((need, answer)),
                    Err(source) => Err(GatherError::Source { need: Box::new(need), source }),
                }
            })
            .buffer_unordered(case.budgets.at_once.max(1));
        while let Some(result) = answers.next().await {
            let (need, answer) = result?;
            open = open.saturating_sub(1);
            progress(&need, open);
            evidence.add(need, answer)?;
        }
    }
    Err(GatherError::TooManyRounds)
}
