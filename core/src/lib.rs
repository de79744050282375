//! The decisions of scriptworker, without I/O.
//!
//! Nothing here reads a clock, touches a file, opens a socket or starts a thread: times, bytes and answers
//! arrive as arguments, and what to do about them leaves as values. That makes every rule of the worker testable
//! on its own, exhaustively.
//!
//! | module | what it decides |
//! |---|---|
//! | [`run`] | the life of one run: which event leads to which effects, which status wins, when to claim and reclaim |
//! | [`task`] | whether a claimed task definition can be run at all, and within which limits |
//! | [`client`] | what a script needs: its task, its configuration, schemas, artifact addresses, upstream artifacts |
//! | [`cot`] | what a worker attests about a run |
//! | [`retry`] | which failed call may be repeated, and when |
//! | [`ledger`] | what is written down about every run, and whether it still says what was written |
//! | [`json`] | JSON as scripts and people read it, and as documents from strangers are read |
//! | [`openpgp`] | which OpenPGP keys and signatures count, and why not |
//! | [`ed25519`] | ed25519 keys and signatures, and which key is accepted for what and when |
//! | [`source_url`] | addresses of source trees, and which of them are trusted |
//! | [`upstream_path`] | under which names artifacts may be stored |
//! | [`digest`] | digests as attestations write them |
//! | [`ids`] | the identifiers of Taskcluster as types that refuse to be just strings |
//! | [`scope`] | which scopes satisfy which |
//! | [`yaml`] | YAML with one meaning, as templates and parameters are written in it |
//! | [`time`] | dates on the wire and milliseconds inside |
//! | [`secret`] | text that is never printed and is wiped when dropped |

pub mod client;
pub mod cot;
pub mod digest;
pub mod ed25519;
pub mod ids;
pub mod json;
pub mod ledger;
pub mod openpgp;
pub mod retry;
pub mod run;
pub mod scope;
pub mod secret;
pub mod source_url;
pub mod task;
pub mod time;
pub mod upstream_path;
pub mod yaml;
