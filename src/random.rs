//! The one source of randomness for what needs to be spread, not secret: the jitter of waits.

/// 32 random bits: the first four bytes of a version 4 UUID, which have no fixed ones.
pub(crate) fn random() -> u32 {
    let [a, b, c, d, ..] = *uuid::Uuid::new_v4().as_bytes();
    u32::from_le_bytes([a, b, c, d])
}
