//! placeholder until the queue is merged
use std::process::ExitCode;
#[derive(clap::Args)]
pub(super) struct Options {}
pub(super) fn demo(_: &Options) -> ExitCode {
    ExitCode::SUCCESS
}
