//! The four directories, and which of them may lie in which: three are wiped around every task, and everything in
//! `artifact_dir` is uploaded, so nothing that has to stay or stay private may be inside.

use super::problem::{ConfigProblem, Rule};
use std::path::{Component, Path, PathBuf};

/// One of the directories or files that take part.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The key, or a description.
    pub(super) name: String,
    /// Absolute, with links resolved as far as it exists.
    pub(super) real: PathBuf,
    /// Where the link itself lies, when the path is one.
    link: Option<PathBuf>,
}

impl Place {
    pub(super) fn new(name: impl Into<String>, path: &Path) -> Self {
        Self { name: name.into(), real: resolve(path), link: link_at(path) }
    }
}

/// The directories of the configuration, those that it gives.
#[derive(Debug, Default)]
pub(super) struct Directories {
    pub(super) work: Option<Place>,
    pub(super) artifact: Option<Place>,
    pub(super) task_log: Option<Place>,
    pub(super) log: Option<Place>,
}

/// Reports every relation that would cost something.
pub(super) fn check(
    dirs: &Directories,
    precious: &[Place],
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) {
    let wiped: Vec<&Place> = [&dirs.work, &dirs.artifact, &dirs.task_log].into_iter().flatten().collect();
    for place in wiped.iter().copied().chain(&dirs.log) {
        if place.real.parent().is_none() {
            problems.push(conflict(&place.name, "a directory of its own", "the root of the file system"));
        }
    }
    refuse_links(&wiped, problems);
    if let (Some(a), Some(b)) = (&dirs.work, &dirs.artifact)
        && a.real.starts_with(&b.real)
    {
        let found = format!("{} in {}: everything there is uploaded", a.name, b.name);
        problems.push(conflict(&a.name, "a directory outside of artifact_dir", &found));
    }
    if let (Some(a), Some(b)) = (&dirs.work, &dirs.task_log)
        && a.real.starts_with(&b.real)
        && !dirs.artifact.as_ref().is_some_and(|artifact| a.real.starts_with(&artifact.real))
    {
        problems.push(conflict(&a.name, "a directory outside of task_log_dir", "one in it"));
    }
    for pair in [(&dirs.work, &dirs.artifact), (&dirs.artifact, &dirs.task_log)] {
        if let (Some(a), Some(b)) = pair
            && a.real == b.real
            && a.name != "work_dir"
        {
            problems.push(conflict(&b.name, "a directory other than artifact_dir", "the same"));
        }
    }
    for place in precious.iter().chain(&dirs.log) {
        for wiped in &wiped {
            if place.real.starts_with(&wiped.real) && wiped.real.parent().is_some() {
                let expected = format!("{} outside of it, because it is wiped around every task", place.name);
                problems.push(conflict(&wiped.name, &expected, &format!("it at {}", place.real.display())));
            }
        }
    }
    if let (Some(artifact), Some(task_log)) = (&dirs.artifact, &dirs.task_log)
        && !task_log.real.starts_with(&artifact.real)
    {
        let expected = "a directory in artifact_dir: logs elsewhere are not uploaded";
        warnings.push(conflict(&task_log.name, expected, &task_log.real.display().to_string()));
    }
}

/// A link would be replaced by a directory at the first task, and what it leads to would be left as it is. One in
/// another of these directories was made by a script, and goes when that one is wiped.
fn refuse_links(wiped: &[&Place], problems: &mut Vec<ConfigProblem>) {
    for place in wiped {
        let Some(link) = &place.link else { continue };
        if !wiped.iter().any(|other| other.name != place.name && link.starts_with(&other.real)) {
            let real = place.real.display();
            let expected = format!(
                "the directory itself ({real}), because it is removed and made anew around every task"
            );
            problems.push(conflict(
                &place.name,
                &expected,
                &format!("a symbolic link at {}", link.display()),
            ));
        }
    }
}

fn conflict(key: &str, expected: &str, found: &str) -> ConfigProblem {
    ConfigProblem::new(Rule::DirectoryConflict, key, expected, found)
}

fn link_at(path: &Path) -> Option<PathBuf> {
    // without a slash at the end, which would lead through the link
    let path: PathBuf = path.components().collect();
    let link = resolve(path.parent()?).join(path.file_name()?);
    link.symlink_metadata().is_ok_and(|found| found.is_symlink()).then_some(link)
}

/// Resolves links in the part of an absolute path that exists, and `.` and `..` in the rest.
pub(crate) fn resolve(path: &Path) -> PathBuf {
    let mut rest: Vec<Component<'_>> = Vec::new();
    let mut base = path;
    let mut real = loop {
        if let Ok(real) = base.canonicalize() {
            break real;
        }
        match (base.components().next_back(), base.parent()) {
            (Some(last), Some(parent)) => {
                rest.push(last);
                base = parent;
            }
            _ => break base.to_path_buf(),
        }
    };
    for component in rest.into_iter().rev() {
        match component {
            Component::ParentDir => {
                real.pop();
            }
            Component::Normal(name) => {
                real.push(name);
                // behind a `..` there may be something again
                real = real.canonicalize().unwrap_or(real);
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(work: &str, artifact: &str, task_log: &str, log: &str) -> (Vec<String>, Vec<String>) {
        let place = |name: &str, path: &str| Some(Place::new(name, Path::new(path)));
        let dirs = Directories {
            work: place("work_dir", work),
            artifact: place("artifact_dir", artifact),
            task_log: place("task_log_dir", task_log),
            log: place("log_dir", log),
        };
        let precious = [Place::new("the configuration file", Path::new("/no/such/etc/scriptworker.yaml"))];
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        check(&dirs, &precious, &mut problems, &mut warnings);
        let keys = |list: Vec<ConfigProblem>| list.into_iter().map(|problem| problem.key).collect();
        (keys(problems), keys(warnings))
    }

    #[test]
    fn relations_that_cost_something_are_refused() {
        let none: [&str; 0] = [];
        for (work, artifact, task_log, log, refused) in [
            ("/no/w", "/no/a", "/no/a/public/logs", "/no/l", &none[..]),
            ("/no/l/w", "/no/l/a", "/no/l/a/logs", "/no/l", &none),
            ("/no/w", "/no/w/a", "/no/w/a/logs", "/no/l", &none),
            ("/no/w", "/no/a", "/no/a/logs", "/no/w/l", &["work_dir"]),
            ("/no/w", "/no/a", "/no/a/logs", "/no/a/l", &["artifact_dir"]),
            ("/no/w", "/no/a", "/no/a/logs", "/no/a/logs", &["artifact_dir", "task_log_dir"]),
            ("/no/w", "/no/a", "/no/a/logs", "/no/w", &["work_dir"]),
            ("/no/a", "/no/a", "/no/a/logs", "/no/l", &["work_dir"]),
            ("/no/a/w", "/no/a", "/no/a/logs", "/no/l", &["work_dir"]),
            ("/no/w", "/no/a", "/no/a", "/no/l", &["task_log_dir"]),
            ("/no/a/logs", "/no/a", "/no/a/logs", "/no/l", &["work_dir"]),
            ("/", "/no/a", "/no/a/logs", "/no/l", &["work_dir"]),
            ("/no/w", "/no/a", "/no/a/logs", "/", &["log_dir"]),
            ("/no/x/..", "/no/y", "/no/y/logs", "/l", &["work_dir"]),
            ("/no/such/etc", "/no/a", "/no/a/logs", "/no/l", &["work_dir"]),
            ("/no/w", "/no/such", "/no/such/logs", "/no/l", &["artifact_dir"]),
        ] {
            let (problems, warnings) = findings(work, artifact, task_log, log);
            assert_eq!(problems, refused, "{work} {artifact} {task_log} {log}");
            assert_eq!(warnings, none, "{work} {artifact} {task_log} {log}");
        }
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_outside() {
        let (problems, _) = findings("/no/work", "/no/a", "/no/a/logs", "/no/work-logs");
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn logs_outside_of_the_artifacts_are_warned_about() {
        let (problems, warnings) = findings("/no/w", "/no/a", "/no/t", "/no/l");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(warnings, ["task_log_dir"]);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the test needs a link, and writes only below its own directory"
    )]
    fn a_link_does_not_hide_a_relation() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("w")).unwrap();
        std::os::unix::fs::symlink(temp.path().join("w"), temp.path().join("link")).unwrap();
        let linked = Place::new("log_dir", &temp.path().join("link/logs/x"));
        assert_eq!(linked.real, temp.path().canonicalize().unwrap().join("w/logs/x"));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the test needs links, and writes only below its own directory"
    )]
    fn a_link_that_would_be_wiped_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(at("real/a/public")).unwrap();
        for link in ["link", "real/a/public/logs"] {
            std::os::unix::fs::symlink(at("real"), at(link)).unwrap();
        }
        std::os::unix::fs::symlink(at("none"), at("dangling")).unwrap();
        let none: [&str; 0] = [];
        for (work, artifact, task_log, refused) in [
            ("link", "a", "a/logs", &["work_dir"][..]),
            ("link/", "a", "a/logs", &["work_dir"]),
            ("dangling", "a", "a/logs", &["work_dir"]),
            ("w", "link", "link/logs", &["artifact_dir"]),
            ("w", "dangling", "dangling/logs", &["artifact_dir"]),
            // links above are no matter
            ("link/w", "link/a", "link/a/x", &none),
            // and a script may have made this one
            ("w", "real/a", "real/a/public/logs", &none),
        ] {
            let (problems, _) = findings(&at(work), &at(artifact), &at(task_log), "/no/l");
            assert_eq!(problems, refused, "{work} {artifact} {task_log}");
        }
    }
}
