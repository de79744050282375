//! The actors: each owns I/O, time and one responsibility; what follows from what is decided in `core`.
//!
//! ```text
//!                       Supervisor ── feeds events to the run's state machine, carries out its effects
//!        ┌─────────────┬────────────┬───┴────────┬──────────────┬─────────────────────┐
//!     Claimer     CotVerifier  ScriptRunner  Uploader      Reclaimer      CredentialRefresher
//!     (thread `work`)                                      (thread `heartbeat`, with the Supervisor)
//! ```
//!
//! | file | responsibility |
//! |---|---|
//! | [`supervisor`] | the run in hand and the life of the process |
//! | [`claimer`] | asks the queue for work, tells it how a run ended |
//! | [`reclaimer`] | renews the claim |
//! | [`credential_refresher`] | puts renewed credentials in use |
//! | [`cot_verifier`] | the chain of trust of the run in hand, when chains are verified |
//! | [`script_runner`] | the work directory and the script in it |
//! | [`uploader`] | the artifacts |
//! | [`keyring_manager`] | the keyrings of other workers, when there are any |
//! | [`crew`] | how actors are started, and started anew |
//! | [`run_credentials`] | the credentials of the run in hand, shared by all |

pub mod claimer;
pub mod cot_verifier;
pub mod credential_refresher;
pub mod crew;
pub mod keyring_manager;
pub mod reclaimer;
pub mod run_credentials;
pub mod script_runner;
pub mod supervisor;
pub mod uploader;

pub use run_credentials::RunCredentials;
