//! When a key is to expire, in the forms that gpg takes (keyrings.md 4.2).

use chrono::NaiveDate;
use std::str::FromStr;

const DAY: u64 = 86_400;

/// The end of a key's life, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// `0` or `none`.
    Never,
    /// `Nd`, `Nw`, `Nm` (30 days) or `Ny` (365 days), in seconds from the key's creation.
    After(u64),
    /// `YYYY-MM-DD` (noon of that day, UTC) or `seconds=EPOCH`, in seconds since 1970.
    At(u64),
}

/// A text that is no expiry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected YYYY-MM-DD, a number with d, w, m or y, seconds=EPOCH, or 0 for never; found {found:?}")]
pub struct InvalidExpiry {
    /// What stood there instead.
    pub found: String,
}

/// An expiry that a key cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExpiryError {
    /// It would be over before it began.
    #[error("expected an expiry after the key's creation ({created} s since 1970), found {expiry} s")]
    Past {
        /// When the key is made, in seconds since 1970.
        created: u32,
        /// When it would expire, in seconds since 1970.
        expiry: u64,
    },
    /// OpenPGP counts at most 2^32 - 1 seconds, some 136 years.
    #[error("expected an expiry within 136 years, found {seconds} s")]
    TooFar {
        /// The seconds from creation that were asked for.
        seconds: u64,
    },
}

impl Expiry {
    /// The seconds from a creation time (in seconds since 1970) to the end; `None` when there is none.
    pub fn seconds_from(self, created: u32) -> Result<Option<u32>, ExpiryError> {
        let seconds = match self {
            Self::Never => return Ok(None),
            Self::After(seconds) => seconds,
            Self::At(expiry) => expiry
                .checked_sub(u64::from(created))
                .filter(|left| *left > 0)
                .ok_or(ExpiryError::Past { created, expiry })?,
        };
        u32::try_from(seconds).map(Some).map_err(|_| ExpiryError::TooFar { seconds })
    }
}

impl FromStr for Expiry {
    type Err = InvalidExpiry;

    fn from_str(text: &str) -> Result<Self, InvalidExpiry> {
        parse(text).ok_or_else(|| InvalidExpiry { found: text.chars().take(64).collect() })
    }
}

fn parse(text: &str) -> Option<Expiry> {
    if matches!(text, "0" | "none") {
        return Some(Expiry::Never);
    }
    if let Some(epoch) = text.strip_prefix("seconds=") {
        return digits(epoch).map(Expiry::At);
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let noon = day.and_hms_opt(12, 0, 0)?.and_utc().timestamp();
        return u64::try_from(noon).ok().map(Expiry::At);
    }
    let days = match text.char_indices().next_back()? {
        (_, 'd') => 1,
        (_, 'w') => 7,
        (_, 'm') => 30,
        (_, 'y') => 365,
        _ => return None,
    };
    let number = digits(text.get(..text.len() - 1)?)?;
    number.checked_mul(days * DAY).filter(|seconds| *seconds > 0).map(Expiry::After)
}

/// A number without sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_form_of_gpg() {
        for (text, expiry) in [
            ("0", Expiry::Never),
            ("none", Expiry::Never),
            ("365d", Expiry::After(365 * DAY)),
            ("6w", Expiry::After(42 * DAY)),
            ("3m", Expiry::After(90 * DAY)),
            ("2y", Expiry::After(730 * DAY)),
            ("2009-12-31", Expiry::At(1_262_260_800)),
            ("seconds=1900000000", Expiry::At(1_900_000_000)),
        ] {
            assert_eq!(text.parse(), Ok(expiry), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "d",
            "2",
            "-1d",
            "+1d",
            "1.5y",
            "2 y",
            "0d",
            "2y ",
            "seconds=",
            "seconds=-1",
            "2009-13-01",
            "1ü",
            "2009-12-31T00:00:00",
            "99999999999999999999y",
            "999999999999999999y",
        ] {
            assert_eq!(text.parse::<Expiry>(), Err(InvalidExpiry { found: text.to_owned() }), "{text}");
        }
    }

    #[test]
    fn counts_from_the_creation() {
        let created = 1_600_000_000;
        assert_eq!(Expiry::Never.seconds_from(created), Ok(None));
        assert_eq!(Expiry::After(DAY).seconds_from(created), Ok(Some(86_400)));
        assert_eq!(Expiry::At(1_600_000_001).seconds_from(created), Ok(Some(1)));
        for expiry in [1_600_000_000, 3600] {
            assert_eq!(Expiry::At(expiry).seconds_from(created), Err(ExpiryError::Past { created, expiry }));
        }
        let seconds = u64::from(u32::MAX);
        assert_eq!(Expiry::After(seconds).seconds_from(created), Ok(Some(u32::MAX)));
        let seconds = seconds + 1;
        assert_eq!(Expiry::After(seconds).seconds_from(created), Err(ExpiryError::TooFar { seconds }));
    }
}
