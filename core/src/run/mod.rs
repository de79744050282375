//! The life of one run: a state machine that decides, for actors that act (design: docs/architecture.md).
//!
//! [`Run`] is a pure reducer. The Supervisor feeds it [`Event`]s and carries out the [`Effect`]s that come back;
//! nothing here knows of processes, sockets or clocks. [`heartbeat`], [`claim_loop`] and [`lifecycle`] decide in the
//! same way when to renew a claim, when to ask for work and when to leave.
//!
//! Invariants, checked on these very functions by `tests/run_model.rs`:
//!
//! | | |
//! |---|---|
//! | I1 | at most one report per run (it may be sent again, never changed) |
//! | I2 | no report and no upload is begun after the claim is lost |
//! | I3 | no upload is begun after completed or failed was reported |
//! | I4 | no process of the script is alive when the run is reported |
//! | I5 | the claim never expires while the queue is reachable ([`heartbeat`]) |
//! | I6 | every claimed run is reported, or its loss is made known with the cause |
//! | I7 | the next claim only after clean-up ([`claim_loop`]) |
//! | I8 | credentials in use are never older than the last renewal |
//! | I9 | a green report implies: chain verified (when configured), script ended with 0 by itself, every upload confirmed |
//! | I10 | no script process outlives the claim: the end of the claim always kills it |

pub mod claim_loop;
mod ending;
pub mod heartbeat;
pub mod lifecycle;
mod machine;
mod status;
mod table;

pub use ending::Ending;
pub use machine::{
    Actor, Admission, Effect, Event, LossCause, Outcome, Phase, Policy, ReportEnd, Resolution, Run,
    ScriptEnd, StopCause, UploadEnd, Verdict,
};
pub use status::{ExceptionReason, ExitCodes, Report, ScriptExit, TaskStatus};
