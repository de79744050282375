//! The script's process: starting it, knowing how it ended, and leaving nothing of it behind.
//!
//! Boundary: an argument list, an environment and descriptors go in; bytes of output, one [`ScriptEnd`] and a count
//! of survivors come out. What an end means for the task is not decided here.
//!
//! ```text
//! worker ──[socket: JSON lines]── guardian ──spawns, watches, kills── script ── its descendants
//!    └──────────────[pipe: stdout and stderr in order of arrival]───────┘
//! ```
//!
//! The [guardian] is the same binary started again with a hidden verb. It is a subreaper in a session of its own, so
//! everything that the script starts stays below it, however often it forks; and it holds the deadline itself, so
//! that no script outlives its claim even when the worker is stopped, hung or gone (design.md 3, invariant I10).
//!
//! | module | what it does |
//! |---|---|
//! | `launch` | starts a guardian and hands over what to run |
//! | `control` | the worker's end of the socket: [`Running`], [`Control`], [`ScriptEnd`] |
//! | `messages` | the conversation on that socket |
//! | [`guardian`] | the other end: start, deadline, stop, sweep |
//! | `pump` | output from the pipe to `live_backing.log` |
//! | `orphans` | what is left when even the guardian is gone |
//! | `reaper` | waits for guardians and, as process 1 of a container, for everybody's orphans |
//! | `tool` | helper programs of the worker itself: one call, bounded in time and output |
//! | `tail` | lines of that file for the worker's own log |
//! | `credentials_file` | the file through which the script reads its credentials |
//! | `clock` | `CLOCK_BOOTTIME` |
//!
//! What is not promised: when the guardian itself is killed (`kill -9`, by root or by a script that runs as the same
//! user), the worker learns it at once ([`ScriptEnd::GuardianLost`]), but the script's processes are then handed to
//! the next subreaper above, or to init, and live on until whoever sweeps by identity finds them.

mod clock;
mod control;
mod credentials_file;
pub mod guardian;
mod launch;
mod messages;
mod orphans;
mod pump;
mod reaper;
mod spawn;
mod tail;
mod tool;

pub use clock::{boot_now, wait_until};
pub use control::{Control, Exit, GuardianGone, Running, ScriptEnd, Started};
pub use credentials_file::{CredentialsError, CredentialsFile};
pub use guardian::CREDENTIALS_FD;
pub use launch::{Guardian, LaunchError, LaunchSpec, RUNNING_PROGRAM, launch};
pub use messages::{KilledBy, NotStarted, StartFailure, StopSignal};
pub use orphans::{kill_session, look_again_soon, wait_until_gone};
pub use pump::{Drained, Progress, Pump, PumpReport};
pub use reaper::reap_orphans_as_init;
pub use tail::Tail;
pub use tool::{ToolCall, ToolError, ToolOutput};
