//! A Taskcluster queue in one process: queue, object service and artifact storage on the loopback, for `demo`, `try`
//! and the tests. **Never for production**: nothing is kept when it stops, everything is in one memory, and it does
//! on order what a queue must never do (see [`Fault`]).
//!
//! It is faithful where a worker can tell: status codes, error codes, bodies, signatures, scopes, idempotency, retries
//! and expiry are those of the recorded real services, against which it is tested exchange by exchange.
//!
//! | module | what it does |
//! |---|---|
//! | `server` | the thread, the listener, the resolvers |
//! | `control` | [`EmbeddedQueue`]: what demo and tests see and do past HTTP |
//! | `past` | tasks that are over before anybody asks |
//! | [`release`] | whole releases of such tasks, attested and signed |
//! | `routes` | one handler per call |
//! | `call`, `schema`, `errors` | routes, request bodies, error answers |
//! | `auth` | Hawk, temporary credentials, signed URLs, scopes |
//! | `state` | every rule, as plain data and functions of `now` |
//! | `faults` | what goes wrong on order |

mod auth;
mod call;
mod control;
mod errors;
mod faults;
mod options;
mod past;
pub mod release;
mod routes;
mod schema;
mod server;
mod shared;
mod state;

pub use call::Call;
pub use control::{EmbeddedQueue, Refused, StoredArtifact, TimedOut};
pub use faults::{Fault, FaultKind};
pub use options::{ClientGrant, Clock, ManualClock, Options, SystemClock};
pub use past::{PastArtifact, PastError};
pub use server::StartError;
pub use shared::{CallRecord, new_task_id};
