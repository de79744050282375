//! The clock of claims and deadlines: `CLOCK_BOOTTIME`.

use nix::time::{ClockId, clock_gettime};
use scriptworker_core::time::BootMillis;

/// Milliseconds of `CLOCK_BOOTTIME`: goes on while the machine sleeps, never jumps (design.md 3).
pub fn boot_now() -> BootMillis {
    // The call fails only for a clock that the kernel does not know; Linux has had this one since 2.6.39.
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec()).unwrap_or(0) / 1_000_000;
    BootMillis(seconds.saturating_mul(1000).saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_never_goes_back() {
        let first = boot_now();
        assert!(first > BootMillis(0));
        while boot_now() == first {
            std::hint::spin_loop();
        }
        assert!(boot_now() > first);
    }
}
