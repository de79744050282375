//! A worker that the queue does not know, or whose clock it does not believe.

use super::{Site, count_lines, mark, quick, quick_with, wait_for_line};
use crate::support::{PATIENCE, options, until};
use nix::sys::signal::Signal;
use scriptworker::embedded_queue::{Clock, Options};
use scriptworker_core::time::UnixMillis;
use serde_json::json;
use std::sync::Arc;

/// worker.md 4: it polls on, warns each time, and leaves when it is told to.
fn polls_on_with_warnings(site: &Site, texts: &[&str]) {
    let texts =
        [&["WARN", "asking for work failed; asking again", "claimWork failed after 1"], texts].concat();
    until(PATIENCE, || (count_lines(site, 0, &texts) >= 3).then_some(()))
        .unwrap_or_else(|| panic!("fewer than three times {texts:?}\n{}", site.log()));
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
}

#[test]
fn wrong_credentials_are_named_and_do_not_stop_the_worker() {
    for (client, problem) in [
        ("test/worker", ["Unauthorized: ", "Bad mac"]),
        ("test/nobody", ["Client with clientId ", "test/nobody"]),
    ] {
        let site = quick().set("credentials", json!({ "clientId": client, "accessToken": "canary" }));
        site.start();
        polls_on_with_warnings(&site, &["status 401 (AuthenticationFailed)", problem[0], problem[1]]);
        assert!(!site.log().contains("canary"), "{}", site.log());
    }
}

#[test]
fn missing_scopes_are_named() {
    let mut options = options();
    options.clients[0].scopes.remove(0);
    let site = quick_with(options);
    site.start();
    let scope = "queue:claim-work:test-provisioner/test-worker";
    polls_on_with_warnings(&site, &["status 403 (InsufficientScopes)", scope]);
}

/// The queue's clock, by so many milliseconds ahead of ours.
#[derive(Debug)]
struct Skewed(i64);

impl Clock for Skewed {
    fn now(&self) -> UnixMillis {
        UnixMillis(chrono::Utc::now().timestamp_millis()).plus(self.0)
    }
}

fn with_skew(minutes: i64) -> Site {
    quick_with(Options { clock: Arc::new(Skewed(minutes * 60_000)), ..options() })
}

/// More than 15 minutes make every signature worthless. The log says by how much, and in which direction.
#[test]
fn a_clock_that_is_too_wrong_is_named() {
    for (minutes, text) in [(20, "s behind the service's)"), (-20, "s ahead of the service's)")] {
        let site = with_skew(minutes);
        site.start();
        let mark = mark(&site);
        wait_for_line(&site, mark, &["asking for work failed", text]);
        // the queue's date has whole seconds, and a request takes its time
        let named = (1190..=1210).any(|skew| site.log().contains(&format!("is {skew} {text}")));
        assert!(named, "{}", site.log());
        polls_on_with_warnings(
            &site,
            &["status 401 (AuthenticationFailed)", "the clock of this machine is", text],
        );
    }
}

/// Less than that does no harm: the claim's time left is counted by the queue's own dates.
#[test]
fn a_clock_that_is_a_little_wrong_does_no_harm() {
    for minutes in [10, -10] {
        let site = with_skew(minutes);
        site.start();
        site.takes_the_next_task();
        let left: u64 =
            site.log().split_once("left_ms=").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
        assert!((1_000_000..=1_201_000).contains(&left), "{left}");
    }
}
