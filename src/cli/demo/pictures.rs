//! Pictures of verdicts: `verify-cot` judges a chain once more, as the worker did, and draws it.

use super::cases::Case;
use super::places::{Places, Who};
use super::site::Site;
use scriptworker_core::ids::TaskId;
use std::io;
use std::process::{Command, Stdio};

/// The cases of which there is one: a chain that holds, and one that does not.
pub(super) const NAMES: [&str; 2] = ["signing", "artifact"];
/// The exit codes that `verify-cot` has for them.
const VERIFIED: i32 = 0;
const REFUSED: i32 = 3;

/// There is no picture.
#[derive(Debug, thiserror::Error)]
pub(super) enum PictureError {
    #[error("run verify-cot: {0}")]
    Start(#[from] io::Error),
    #[error("draw {name}: verify-cot ended with {found:?}, expected {expected}; it said:\n{said}")]
    Refused { name: &'static str, expected: i32, found: Option<i32>, said: String },
}

/// Draws the chain of a case into [`Places::picture`].
pub(super) fn draw(case: &Case, task: &TaskId, site: &Site, places: &Places) -> Result<(), PictureError> {
    let Who::Verifying(generation) = case.who else { return Ok(()) };
    let mut command = Command::new(std::env::current_exe()?);
    // a task id may begin with a dash
    command.args(["verify-cot", "--task-type", "signing", "--verify-sigs", "--no-check-task", "--cleanup"]);
    if let Some((from, to)) = site.mirror(generation) {
        command.arg("--mirror").arg(format!("{from}={to}"));
    }
    command.arg("--config").arg(places.config(case.who)).arg("--graph").arg(places.picture(case.name));
    let output = command.arg("--").arg(task.as_str()).stdin(Stdio::null()).output()?;
    let expected = if case.starts { VERIFIED } else { REFUSED };
    if output.status.code() == Some(expected) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PictureError::Refused { name: case.name, expected, found: output.status.code(), said })
}
