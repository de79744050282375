//! Times: RFC 3339 on the wire, milliseconds inside.
//!
//! Two kinds never mix: [`UnixMillis`] is the world's date, used only for what is written down;
//! [`BootMillis`] is `CLOCK_BOOTTIME`, which goes on while the machine sleeps and never jumps, used for every
//! decision about how much of a claim is left.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

/// Milliseconds of `CLOCK_BOOTTIME` (since the machine started, sleep included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootMillis(pub u64);

/// A text that is no RFC 3339 date-time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 date-time such as 2026-01-01T00:00:00.000Z, found {found:?}")]
pub struct NotADate {
    /// What stood there instead.
    pub found: String,
}

impl UnixMillis {
    /// Reads an RFC 3339 date-time with any offset (`Z` or `+00:00`: the queue writes both).
    pub fn parse(text: &str) -> Result<Self, NotADate> {
        DateTime::parse_from_rfc3339(text)
            .map(|date| Self(date.timestamp_millis()))
            .map_err(|_| NotADate { found: text.chars().take(64).collect() })
    }

    /// This time plus a number of milliseconds (negative: before).
    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this time; negative when this time is before it.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 with milliseconds and `Z`, the form that the queue itself writes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(date) => f.write_str(&date.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms since 1970", self.0),
        }
    }
}

impl Serialize for UnixMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnixMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl BootMillis {
    /// This time plus a number of milliseconds.
    #[must_use]
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds left until `end`; zero when it has passed.
    pub fn until(self, end: Self) -> u64 {
        end.0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_spellings_of_utc_and_writes_one() {
        let a = UnixMillis::parse("2026-11-23T16:11:24.047Z").unwrap();
        let b = UnixMillis::parse("2026-11-23T16:11:24.047+00:00").unwrap();
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "2026-11-23T16:11:24.047Z");
        assert_eq!(serde_json::to_string(&a).unwrap(), "\"2026-11-23T16:11:24.047Z\"");
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in ["", "yesterday", "2026-11-23", "2026-13-01T00:00:00Z"] {
            assert_eq!(UnixMillis::parse(text), Err(NotADate { found: text.to_owned() }));
        }
    }

    #[test]
    fn time_left_never_underflows() {
        assert_eq!(BootMillis(10).until(BootMillis(4)), 0);
        assert_eq!(BootMillis(4).until(BootMillis(10)), 6);
    }
}
