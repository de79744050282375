//! Which failed call may be repeated, and when.

/// What a failure means for the call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// Repeating the same call cannot help: the request itself is wrong (400, 413, …), or the caller may not (401, 403).
    Fatal,
    /// The other side understood and said no (404, 409, 410): an answer, not a fault.
    Refused,
    /// May pass by itself (5xx, 429, time-outs, broken or truncated connections): repeat with back-off until the
    /// call's deadline.
    Transient,
}

/// The class of an HTTP status other than success.
pub fn class_of_status(status: u16) -> RetryClass {
    match status {
        404 | 409 | 410 | 424 => RetryClass::Refused,
        408 | 425 | 429 | 500..=599 => RetryClass::Transient,
        _ => RetryClass::Fatal,
    }
}

/// An exponential back-off with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait in milliseconds.
    pub base_ms: u64,
    /// No wait is longer than this.
    pub max_ms: u64,
    /// Waits are stretched by up to this many percent.
    pub jitter_percent: u64,
}

impl Backoff {
    /// For API calls: 0.1 s doubling up to 30 s, up to 25 % on top (taskcluster-api.md 3).
    pub const API: Self = Self { base_ms: 100, max_ms: 30_000, jitter_percent: 25 };
    /// For whole artifact uploads and downloads: 5 s doubling up to 120 s, up to 50 % on top (artifacts.md 7).
    pub const ARTIFACT: Self = Self { base_ms: 5_000, max_ms: 120_000, jitter_percent: 50 };

    /// The wait after failed attempt number `attempt` (1 is the first), in milliseconds. `random` is a number
    /// drawn by the caller; 0 gives the shortest wait. Attempt 0 waits not at all.
    pub fn wait_ms(&self, attempt: u32, random: u32) -> u64 {
        let Some(doublings) = attempt.checked_sub(1) else { return 0 };
        let plain = self.base_ms.saturating_mul(1u64.checked_shl(doublings.min(40)).unwrap_or(u64::MAX));
        let stretch = u128::from(plain) * u128::from(self.jitter_percent) * u128::from(random)
            / 100
            / u128::from(u32::MAX);
        plain.saturating_add(u64::try_from(stretch).unwrap_or(u64::MAX)).min(self.max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        for (status, class) in [
            (400, RetryClass::Fatal),
            (401, RetryClass::Fatal),
            (403, RetryClass::Fatal),
            (404, RetryClass::Refused),
            (409, RetryClass::Refused),
            (410, RetryClass::Refused),
            (413, RetryClass::Fatal),
            (424, RetryClass::Refused),
            (429, RetryClass::Transient),
            (500, RetryClass::Transient),
            (503, RetryClass::Transient),
            (599, RetryClass::Transient),
        ] {
            assert_eq!(class_of_status(status), class, "{status}");
        }
    }

    #[test]
    fn artifact_waits_are_those_of_the_specification() {
        // artifacts.md 3.3: 10–15, 20–30, 40–60, 80–120 s for attempts 2 to 5 of the formula
        for (attempt, low, high) in
            [(2, 10_000, 15_000), (3, 20_000, 30_000), (4, 40_000, 60_000), (5, 80_000, 120_000)]
        {
            assert_eq!(Backoff::ARTIFACT.wait_ms(attempt, 0), low);
            assert_eq!(Backoff::ARTIFACT.wait_ms(attempt, u32::MAX), high);
        }
        assert_eq!(Backoff::ARTIFACT.wait_ms(0, u32::MAX), 0);
        assert_eq!(Backoff::ARTIFACT.wait_ms(u32::MAX, u32::MAX), 120_000);
    }
}
