//! What the classic worker asked gpg about trust and certifications, as typed values (keyrings.md 4.1, 4.2).
//!
//! Nothing here decides whether a signature counts: that is [`Keyring`](super::Keyring)'s. These are the answers that
//! tools of the classic worker compare and print.

mod listing;
mod ownertrust;
#[cfg(test)]
mod tests;

pub use listing::{
    ExpectedListing, KeyListing, ListingError, ListingProblem, ListingWarning, parse_list_sigs_output,
};
pub use ownertrust::{OwnerTrust, TrustError, fingerprint_to_keyid, keyid_to_fingerprint};
