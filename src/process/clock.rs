//! The clock of claims and deadlines: `CLOCK_BOOTTIME`.

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{self, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_gettime};
use scriptworker_core::time::BootMillis;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The farthest time that a timer is set to: 30,000 years after boot.
const FARTHEST_MS: u64 = 1 << 50;

/// Milliseconds of `CLOCK_BOOTTIME`: goes on while the machine sleeps, never jumps (design.md 3).
pub fn boot_now() -> BootMillis {
    // The call fails only for a clock that the kernel does not know; Linux has had this one since 2.6.39.
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or(TimeSpec::new(0, 0));
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec()).unwrap_or(0) / 1_000_000;
    BootMillis(seconds.saturating_mul(1000).saturating_add(millis))
}

/// Waits until then, on that clock. For what waits again and again: tokio's own timers wake the thread twice when they
/// are longer than 64 ms. Must be called in a tokio runtime with I/O and time.
pub async fn wait_until(at: BootMillis) {
    if kernel_timer(at).await.is_err() {
        // no descriptor is left: then by the other clock
        tokio::time::sleep(Duration::from_millis(boot_now().until(at))).await;
    }
}

async fn kernel_timer(at: BootMillis) -> io::Result<()> {
    let timer =
        TimerFd::new(timerfd::ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
    // zero would disarm it
    let time = TimeSpec::from_duration(Duration::from_millis(at.0.clamp(1, FARTHEST_MS)));
    timer.set(Expiration::OneShot(time), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
    #[expect(deprecated, reason = "it is unsound for what does not own its descriptor; this owns it")]
    let timer = AsyncFd::with_interest(OwnedFd::from(timer), Interest::READABLE)?;
    timer.readable().await?.retain_ready();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_until_then_and_not_at_all_for_the_past() {
        let then = boot_now().plus(80);
        wait_until(then).await;
        assert!(boot_now() >= then);
        wait_until(then).await;
        wait_until(BootMillis(0)).await;
    }

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
