//! JSON: written for scripts and people, and read from documents that nobody may be trusted to have written well.
//!
//! | | |
//! |---|---|
//! | [`format_json`], [`format_raw`] | the text of a value, or of JSON that others wrote, as the worker writes it |
//! | [`read_strict`] | a signed or untrusted document: read in one way only, or refused |
//! | [`JsonIndex`] | where the members of a big document are, found in one strict pass; each is read when it is needed |
//! | [`DocumentKind`] | how big and how deep a document of each kind may be |
//! | [`JsonPath`] | a place in a document |
//! | [`Comparison`] | the first difference of two values, or all of them |
//!
//! What a document means is not known here: types for that are in `cot`.

mod difference;
mod index;
mod limits;
mod members;
mod path;
mod strict;
mod write;

pub use difference::{Comparison, Difference, ExtraMembers, difference};
pub use index::JsonIndex;
pub use limits::{DocumentKind, Limits};
pub use path::{JsonPath, Step};
pub use strict::{Place, StrictError, read_strict};
pub use write::{RawJsonError, format_json, format_raw};

#[cfg(test)]
pub(crate) use strict::tests::any_value;
