//! Fault points: places where a test can make a file operation fail as a full or broken disk would.
//!
//! A point is a [`Purpose`] and an operation, such as `task-log.write`. Without the cargo feature `fault` it is an
//! inlined `Ok`. With it, the environment variable `SW_FAULT` decides, and every passage that matters is told on
//! stderr, so that a test knows what it hit:
//!
//! | `SW_FAULT` | |
//! |---|---|
//! | `trace` | every passage is told as `SW_FAULT: POINT passage N` |
//! | `POINT:n:ERROR` | the n-th passage of that point fails (counted from 1 over the whole process) |
//! | `POINT:n-m:ERROR` | so do all up to the m-th |
//! | `POINT:n+:ERROR` | so do all later ones |
//!
//! `ERROR` is `ENOSPC`, `EDQUOT`, `EIO` or `EROFS`; or `KILL`, and the passage fails in no way: the process kills itself
//! there with SIGKILL.

use std::io;

/// What a file is for: the first half of a fault point's name. Each carries the operations of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The directories that are wiped around every task.
    Directories,
    /// What a script finds in its work directory.
    Input,
    /// The task's log.
    TaskLog,
    /// The script's credentials.
    Credentials,
    /// Compressed forms of artifacts while they are sent.
    Scratch,
    /// The worker's own log.
    WorkerLog,
    /// The ledger of runs.
    Ledger,
    /// What says that a work directory is in use.
    Lock,
    /// Keyrings, their lock, and the revision that they were built from.
    Keyring,
    /// Everything else.
    Other,
}

/// What is done to a file: the second half of a fault point's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    CreateDir,
    Open,
    Write,
    Reserve,
    SetLen,
    Sync,
    Rename,
    Remove,
}

impl Purpose {
    #[cfg(any(test, feature = "fault"))]
    fn name(self) -> &'static str {
        match self {
            Self::Directories => "directories",
            Self::Input => "input",
            Self::TaskLog => "task-log",
            Self::Credentials => "credentials",
            Self::Scratch => "scratch",
            Self::WorkerLog => "worker-log",
            Self::Ledger => "ledger",
            Self::Lock => "lock",
            Self::Keyring => "keyring",
            Self::Other => "other",
        }
    }
}

impl Operation {
    #[cfg(any(test, feature = "fault"))]
    fn name(self) -> &'static str {
        match self {
            Self::CreateDir => "create-dir",
            Self::Open => "open",
            Self::Write => "write",
            Self::Reserve => "reserve",
            Self::SetLen => "set-len",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
        }
    }
}

/// Every fault point and what passes it.
const POINTS: &[(&str, &str)] = &[
    ("directories.create-dir", "making a directory of the task, and its parents"),
    ("directories.remove", "removing each entry of a directory of the task, and the directory"),
    ("input.open", "creating task.json, current_task_info.json, or the log that explains a malformed task"),
    ("input.write", "writing them"),
    ("task-log.open", "creating live_backing.log"),
    ("task-log.write", "each write of the script's output and of the worker's own lines"),
    ("task-log.reserve", "setting space aside for the end of that log"),
    ("credentials.open", "making the script's credentials file"),
    ("credentials.write", "writing it, at the start and with every renewal"),
    ("scratch.open", "making the file for the compressed form of an artifact"),
    ("scratch.write", "each write of a compressed form"),
    ("worker-log.create-dir", "making log_dir"),
    ("worker-log.open", "opening worker.log, after each rotation too"),
    ("worker-log.write", "each write of lines to worker.log"),
    ("worker-log.rename", "renaming worker.log and its predecessors in a rotation"),
    ("worker-log.remove", "removing the oldest predecessor"),
    ("ledger.open", "opening runs.jsonl, for each line anew"),
    ("ledger.write", "writing a line to it"),
    ("ledger.sync", "forcing that line to the disk"),
    ("lock.create-dir", "making the directory that work_dir lies in"),
    ("lock.open", "making or opening the file that says that work_dir is in use"),
    ("lock.write", "writing the worker's process number into it"),
    ("keyring.create-dir", "making a directory of keyrings"),
    ("keyring.open", "creating a key file, the index, the lock or the file of the last good revision"),
    ("keyring.write", "writing them"),
    ("keyring.set-len", "emptying the record of who holds the lock"),
    ("keyring.sync", "forcing one of them, or a directory of keyrings, to the disk"),
    ("keyring.rename", "putting a file in place, or a whole set of keyrings"),
    ("keyring.remove", "removing an older set, entry by entry, or the lock"),
    ("other.create-dir", "making any other directory and its parents"),
    ("other.open", "opening or creating any other file for writing"),
    ("other.write", "each write to any other file, positional ones included"),
    ("other.reserve", "setting space aside for any other file"),
    ("other.set-len", "changing the length of any other file"),
    ("other.sync", "forcing any other file, or its directory, to the disk"),
    ("other.rename", "renaming any other file"),
    ("other.remove", "removing any other file, or each entry of any other tree"),
];

/// The names of all fault points.
pub fn points() -> impl Iterator<Item = &'static str> {
    POINTS.iter().map(|(name, _)| *name)
}

/// Passes a fault point: fails only in a build with the feature `fault` whose `SW_FAULT` names this passage.
#[cfg(not(feature = "fault"))]
#[inline(always)]
pub(super) fn point(_purpose: Purpose, _operation: Operation) -> io::Result<()> {
    Ok(())
}

/// Passes a fault point: fails when `SW_FAULT` names this passage, when the point is missing in the table, or when
/// `SW_FAULT` itself is wrong (a typing mistake must not look like a passed test).
#[cfg(feature = "fault")]
pub(super) fn point(purpose: Purpose, operation: Operation) -> io::Result<()> {
    use std::io::Write;
    use std::sync::OnceLock;
    static PLAN: OnceLock<plan::Plan> = OnceLock::new();
    let plan = PLAN.get_or_init(|| plan::Plan::parse(std::env::var("SW_FAULT").ok().as_deref()));
    let (told, end) = plan.pass(&format!("{}.{}", purpose.name(), operation.name()));
    if let Some(told) = told {
        // In one write, or lines of the log's copy could come in between. Without a stderr nobody asked.
        let _ = io::stderr().write_all(format!("SW_FAULT: {told}\n").as_bytes());
    }
    match end {
        plan::End::Passed => Ok(()),
        plan::End::Failed(error) => Err(error),
        // nothing runs after this
        plan::End::Killed => Err(nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::SIGKILL)
            .map_or_else(io::Error::from, |()| io::ErrorKind::Interrupted.into())),
    }
}

#[cfg(any(test, feature = "fault"))]
mod plan {
    use super::POINTS;
    use nix::errno::Errno;
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What `SW_FAULT` asks for.
    #[derive(Debug)]
    pub(super) struct Plan {
        asked: Asked,
        /// How often each point of the table was passed.
        passed: [AtomicU64; POINTS.len()],
    }

    /// How a passage ends.
    #[derive(Debug)]
    pub(super) enum End {
        /// As if there were no fault point.
        Passed,
        /// With an error.
        Failed(io::Error),
        /// With the end of the process.
        Killed,
    }

    #[derive(Debug, Clone, Copy)]
    enum How {
        Error(Errno),
        Kill,
    }

    #[derive(Debug)]
    enum Asked {
        Nothing,
        Trace,
        /// One point fails from the first to the last of these passages.
        Fail {
            point: usize,
            first: u64,
            last: u64,
            how: How,
        },
        /// The text says nothing that can be done.
        Invalid(String),
    }

    impl Plan {
        pub(super) fn parse(text: Option<&str>) -> Self {
            let asked = match text {
                None => Asked::Nothing,
                Some("trace") => Asked::Trace,
                Some(text) => fail(text).unwrap_or_else(|| Asked::Invalid(text.to_owned())),
            };
            Self { asked, passed: [const { AtomicU64::new(0) }; POINTS.len()] }
        }

        /// What is to be told about this passage, and how it ends.
        pub(super) fn pass(&self, name: &str) -> (Option<String>, End) {
            let invalid = |text| (None, End::Failed(io::Error::new(io::ErrorKind::InvalidInput, text)));
            let Some(index) = POINTS.iter().position(|(known, _)| *known == name) else {
                return invalid(format!("expected a fault point of the table, found {name}"));
            };
            let passed = self.passed.get(index).map_or(0, |count| count.fetch_add(1, Ordering::Relaxed));
            let passage = passed.saturating_add(1);
            match &self.asked {
                Asked::Nothing => (None, End::Passed),
                Asked::Trace => (Some(format!("{name} passage {passage}")), End::Passed),
                Asked::Fail { point, first, last, how }
                    if *point == index && (first..=last).contains(&&passage) =>
                {
                    let (told, end) = match how {
                        How::Error(errno) => (format!("fails with {errno:?}"), End::Failed((*errno).into())),
                        How::Kill => ("kills the process".to_owned(), End::Killed),
                    };
                    (Some(format!("{name} passage {passage} {told}")), end)
                }
                Asked::Fail { .. } => (None, End::Passed),
                Asked::Invalid(text) => invalid(format!(
                    "expected SW_FAULT=trace or SW_FAULT=point:n:ERROR with a known point, found {text:?}"
                )),
            }
        }
    }

    fn fail(text: &str) -> Option<Asked> {
        let mut parts = text.split(':');
        let (point, passages, error) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let point = POINTS.iter().position(|(known, _)| *known == point)?;
        let (first, last) = match (passages.strip_suffix('+'), passages.split_once('-')) {
            (Some(first), _) => (first.parse().ok()?, u64::MAX),
            (None, Some((first, last))) => (first.parse().ok()?, last.parse().ok()?),
            (None, None) => (passages.parse().ok()?, passages.parse().ok()?),
        };
        let how = match error {
            "ENOSPC" => How::Error(Errno::ENOSPC),
            "EDQUOT" => How::Error(Errno::EDQUOT),
            "EIO" => How::Error(Errno::EIO),
            "EROFS" => How::Error(Errno::EROFS),
            "KILL" => How::Kill,
            _ => return None,
        };
        (0 < first && first <= last).then_some(Asked::Fail { point, first, last, how })
    }
}

#[cfg(test)]
mod tests {
    use super::plan::{End, Plan};
    use super::*;
    use nix::errno::Errno;
    use std::collections::BTreeSet;

    /// The error numbers of so many passages, and whether each was told.
    fn passages(text: &str, name: &str, count: usize) -> Vec<Option<i32>> {
        let plan = Plan::parse(Some(text));
        std::iter::repeat_with(|| {
            let (told, end) = plan.pass(name);
            assert_eq!(told.is_none(), matches!(end, End::Passed), "a failure is told");
            match end {
                End::Passed => None,
                End::Failed(error) => Some(error.raw_os_error().unwrap_or(0)),
                End::Killed => Some(-1),
            }
        })
        .take(count)
        .collect()
    }

    #[test]
    fn fails_within_its_window_only() {
        let (ok, full) = (None, Some(Errno::ENOSPC as i32));
        for (window, expected) in [
            ("1", [full, ok, ok, ok]),
            ("2", [ok, full, ok, ok]),
            ("2+", [ok, full, full, full]),
            ("2-3", [ok, full, full, ok]),
        ] {
            let text = format!("other.write:{window}:ENOSPC");
            assert_eq!(passages(&text, "other.write", 4), expected, "{window}");
            assert_eq!(passages(&text, "other.sync", 4), [None; 4], "{window}");
        }
        for (name, errno) in [("EDQUOT", Errno::EDQUOT), ("EIO", Errno::EIO), ("EROFS", Errno::EROFS)] {
            assert_eq!(passages(&format!("input.open:1:{name}"), "input.open", 1), [Some(errno as i32)]);
        }
    }

    #[test]
    fn a_kill_is_told_before_it_comes() {
        assert_eq!(passages("keyring.rename:2:KILL", "keyring.rename", 3), [None, Some(-1), None]);
        let (told, _) = Plan::parse(Some("keyring.sync:1:KILL")).pass("keyring.sync");
        assert_eq!(told.unwrap(), "keyring.sync passage 1 kills the process");
    }

    #[test]
    fn a_trace_tells_and_counts() {
        let plan = Plan::parse(Some("trace"));
        let told = |name| plan.pass(name).0.unwrap();
        assert_eq!(told("other.write"), "other.write passage 1");
        assert_eq!(told("other.sync"), "other.sync passage 1");
        assert_eq!(told("other.write"), "other.write passage 2");
    }

    fn is_invalid(end: &End) -> bool {
        matches!(end, End::Failed(error) if error.kind() == io::ErrorKind::InvalidInput)
    }

    #[test]
    fn a_wrong_text_or_point_fails_everywhere() {
        for text in [
            "",
            "other.write",
            "other.write:0:EIO",
            "other.write:3-2:EIO",
            "other.write:x:EIO",
            "other.write:1:EPERM",
            "no.such:1:EIO",
            "other.write:1:EIO:2",
        ] {
            let end = Plan::parse(Some(text)).pass("other.sync").1;
            assert!(is_invalid(&end), "{text:?}: {end:?}");
        }
        let end = Plan::parse(None).pass("no.such").1;
        assert!(is_invalid(&end), "{end:?}");
    }

    #[test]
    fn the_names_are_made_of_purposes_and_operations_and_different() {
        use Operation::{CreateDir, Open, Remove, Rename, Reserve, SetLen, Sync, Write};
        use Purpose::{
            Credentials, Directories, Input, Keyring, Ledger, Lock, Other, Scratch, TaskLog, WorkerLog,
        };
        let mut made = BTreeSet::new();
        for purpose in
            [Directories, Input, TaskLog, Credentials, Scratch, WorkerLog, Ledger, Lock, Keyring, Other]
        {
            for operation in [CreateDir, Open, Write, Reserve, SetLen, Sync, Rename, Remove] {
                made.insert(format!("{}.{}", purpose.name(), operation.name()));
            }
        }
        let names: BTreeSet<_> = points().map(str::to_owned).collect();
        assert_eq!(names.len(), POINTS.len());
        assert!(names.is_subset(&made), "{names:?}");
    }
}
