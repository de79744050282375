//! Fault points: places where a test can make a file operation fail as a full or broken disk would.
//!
//! Without the cargo feature `fault` a point is an inlined `Ok`. With it, the environment variable `SW_FAULT` arms
//! one point: `point:n:ERROR`, where `n` is the passage that fails (counted from 1 over the whole process), `n+`
//! means that one and all later ones, and `ERROR` is `ENOSPC`, `EDQUOT`, `EIO` or `EROFS`.

use std::io;

/// Every fault point and what passes it.
const POINTS: &[(&str, &str)] = &[
    ("fsio.create_dir", "making a directory and its parents"),
    ("fsio.open", "opening or creating a file for writing"),
    ("fsio.write", "each write to a file, positional ones included"),
    ("fsio.set_len", "changing the length of a file"),
    ("fsio.sync", "forcing a file or a directory entry to the disk"),
    ("fsio.rename", "renaming"),
    ("fsio.remove", "removing a file, or each entry of a tree"),
];

/// The names of all fault points.
pub fn points() -> impl Iterator<Item = &'static str> {
    POINTS.iter().map(|(name, _)| *name)
}

/// Passes a fault point: fails only in a build with the feature `fault` whose `SW_FAULT` names this passage.
#[cfg(not(feature = "fault"))]
#[inline(always)]
pub(super) fn point(_name: &'static str) -> io::Result<()> {
    Ok(())
}

/// Passes a fault point: fails when `SW_FAULT` names this passage, or when `SW_FAULT` itself is wrong (a typing
/// mistake must not look like a passed test).
#[cfg(feature = "fault")]
pub(super) fn point(name: &'static str) -> io::Result<()> {
    use std::sync::OnceLock;
    static PLAN: OnceLock<Option<plan::Plan>> = OnceLock::new();
    match PLAN.get_or_init(|| std::env::var("SW_FAULT").ok().map(|text| plan::Plan::parse(&text))) {
        None => Ok(()),
        Some(plan) => plan.pass(name),
    }
}

#[cfg(any(test, feature = "fault"))]
mod plan {
    use nix::errno::Errno;
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What `SW_FAULT` asks for.
    #[derive(Debug)]
    pub(super) enum Plan {
        /// One point fails at a passage, or from a passage on.
        Fail { point: String, nth: u64, and_later: bool, errno: Errno, passed: AtomicU64 },
        /// The text says nothing that can be done.
        Invalid(String),
    }

    impl Plan {
        pub(super) fn parse(text: &str) -> Self {
            Self::try_parse(text).unwrap_or_else(|| Self::Invalid(text.to_owned()))
        }

        fn try_parse(text: &str) -> Option<Self> {
            let mut parts = text.split(':');
            let (point, nth, error) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || !super::points().any(|known| known == point) {
                return None;
            }
            let (digits, and_later) = match nth.strip_suffix('+') {
                Some(digits) => (digits, true),
                None => (nth, false),
            };
            let nth = digits.parse().ok().filter(|nth| *nth > 0)?;
            let errno = match error {
                "ENOSPC" => Errno::ENOSPC,
                "EDQUOT" => Errno::EDQUOT,
                "EIO" => Errno::EIO,
                "EROFS" => Errno::EROFS,
                _ => return None,
            };
            Some(Self::Fail { point: point.to_owned(), nth, and_later, errno, passed: AtomicU64::new(0) })
        }

        pub(super) fn pass(&self, name: &str) -> io::Result<()> {
            match self {
                Self::Invalid(text) => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("expected SW_FAULT=point:n:ERROR with a known point, found {text:?}"),
                )),
                Self::Fail { point, nth, and_later, errno, passed } if point == name => {
                    let passage = passed.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                    if passage == *nth || (*and_later && passage > *nth) {
                        return Err((*errno).into());
                    }
                    Ok(())
                }
                Self::Fail { .. } => Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plan::Plan;
    use super::*;
    use nix::errno::Errno;
    use std::collections::BTreeSet;

    fn errno_of(result: io::Result<()>) -> Option<i32> {
        result.err().map(|error| error.raw_os_error().unwrap_or(0))
    }

    #[test]
    fn fails_at_the_nth_passage_only() {
        let plan = Plan::parse("fsio.write:2:ENOSPC");
        let full = Some(Errno::ENOSPC as i32);
        assert_eq!(errno_of(plan.pass("fsio.write")), None);
        assert_eq!(errno_of(plan.pass("fsio.sync")), None);
        assert_eq!(errno_of(plan.pass("fsio.write")), full);
        assert_eq!(errno_of(plan.pass("fsio.write")), None);
    }

    #[test]
    fn fails_from_the_nth_passage_on() {
        let plan = Plan::parse("fsio.rename:2+:EROFS");
        let read_only = Some(Errno::EROFS as i32);
        let seen: Vec<_> = (0..4).map(|_| errno_of(plan.pass("fsio.rename"))).collect();
        assert_eq!(seen, [None, read_only, read_only, read_only]);
    }

    #[test]
    fn a_wrong_text_fails_everywhere() {
        for text in [
            "",
            "fsio.write",
            "fsio.write:0:EIO",
            "fsio.write:x:EIO",
            "fsio.write:1:EPERM",
            "no.such:1:EIO",
            "fsio.write:1:EIO:2",
        ] {
            let error = Plan::parse(text).pass("fsio.sync").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text:?}");
        }
    }

    /// The names in `point("…")` calls and in the table must be the same set, or a test could arm a point that
    /// nothing passes.
    #[test]
    fn the_table_lists_exactly_the_points_in_use() {
        let sources = [include_str!("files.rs"), include_str!("remove.rs")];
        let used: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| source.split("fault::point(\"").skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(used, points().collect::<BTreeSet<_>>());
    }
}
