//! `git`, called so that nothing has an effect but the arguments and the objects of a repository.
//!
//! No configuration of the system or a user is read, no hook and no helper runs, nothing is asked, no transport but
//! https, ssh and files is spoken, and every call ends in time. The worker keeps a bare clone of its own, below
//! `git_key_repo_dir`, because the configuration of a repository can name programs: that of its own clone is written
//! anew before each use, and that of anybody else's is never read but for one URL.

use crate::config::KeyRepositoryConfig;
use crate::fsio::Purpose;
use crate::process::{ToolCall, ToolError, ToolOutput};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a call may take that only looks at the clone.
const LOCAL_LIMIT: Duration = Duration::from_secs(60);
/// How long a fetch may take.
const FETCH_LIMIT: Duration = Duration::from_secs(300);
/// What a call may print unless it is known to be more: a list of tags, or of files.
const MOST_OUTPUT: usize = 16 << 20;
/// The worker's own clone, in `git_key_repo_dir` or, when that is somebody's clone, in its `.git`.
const OWN_CLONE: &str = "scriptworker.git";

/// All that its configuration says.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
/// What in a clone has an effect beyond objects and references.
const REMOVED: [&str; 5] = ["hooks", "info", "config.worktree", "shallow", "objects/info"];

/// Settings that hold whatever a repository says.
const SETTINGS: [&str; 13] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    // it could claim any history
    "core.commitGraph=false",
    "core.attributesFile=/dev/null",
    // that there are no grafts is set below
    "advice.graftFileDeprecated=false",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
];
/// The whole environment, with what [`passed_on`] adds.
const ENVIRONMENT: [(&str, &str); 12] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_GRAFT_FILE", "/dev/null"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_ALLOW_PROTOCOL", "https:ssh:file"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "/bin/false"),
    ("SSH_ASKPASS_REQUIRE", "never"),
    ("LC_ALL", "C"),
];
/// What https needs of the worker's environment.
const FOR_HTTPS: [&str; 6] =
    ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "https_proxy", "HTTPS_PROXY", "no_proxy"];
/// What ssh needs of it.
const FOR_SSH: [&str; 3] = ["SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "HOME"];

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be called, or did not keep to its limits.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// It failed.
    #[error("git {command}: exit code {}: {message}", in_words(.code))]
    Failed {
        /// Which of its commands.
        command: String,
        /// Its exit code; `None` when a signal ended it.
        code: Option<i32>,
        /// What it said, the URL left out.
        message: String,
    },
    /// It printed something that is not understood.
    #[error("git {command}: expected {expected}")]
    Odd {
        /// Which of its commands.
        command: String,
        /// What should have been there.
        expected: &'static str,
    },
    /// The worker's own clone cannot be made ready.
    #[error("prepare the clone {}: {source}", path.display())]
    Clone {
        /// The clone, or what is in it.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The place of the worker's own clone is taken by something else.
    #[error("prepare the clone {}: expected a directory", path.display())]
    NotADirectory {
        /// Its place.
        path: PathBuf,
    },
    /// No URL that may be fetched from.
    #[error("find the key repository: expected an https, ssh or file URL as the origin of {}", path.display())]
    Url {
        /// The clone that has another one.
        path: PathBuf,
    },
}

fn in_words(code: &Option<i32>) -> String {
    code.map_or_else(|| "none".to_owned(), |code| code.to_string())
}

/// The worker's own clone.
#[derive(Debug)]
pub(super) struct Git {
    program: PathBuf,
    dir: PathBuf,
    url: String,
    env: Vec<(OsString, OsString)>,
}

impl Git {
    /// Makes the clone ready, and makes it when it is missing. Nothing is fetched yet.
    pub(super) fn open(config: &KeyRepositoryConfig) -> Result<Self, GitError> {
        let theirs = config.dir.join(".git");
        let parent = if theirs.is_dir() { &theirs } else { &config.dir };
        let dir = parent.join(OWN_CLONE);
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| GitError::Clone { path, source }
        };
        Purpose::Keyring.create_dir_all(&dir).map_err(at(&dir))?;
        if !dir.symlink_metadata().map_err(at(&dir))?.is_dir() {
            return Err(GitError::NotADirectory { path: dir });
        }
        for name in REMOVED {
            let path = dir.join(name);
            Purpose::Keyring.remove_tree(&path).map_err(at(&path))?;
        }
        remove_locks(&dir).map_err(at(&dir))?;
        let path = dir.join("config");
        Purpose::Keyring.write_atomic(&path, CONFIG.as_bytes(), 0o600).map_err(at(&path))?;
        let mut git = Self { program: ToolCall::find("git")?, dir, url: String::new(), env: environment() };
        git.call(&["init", "--quiet", "--bare", "--template="])?;
        git.url = git.find_url(config, &theirs.join("config"))?;
        git.env.extend(passed_on(&git.url));
        Ok(git)
    }

    /// The URL of the configuration; when the file gives none, the origin of somebody's clone goes first.
    fn find_url(&self, config: &KeyRepositoryConfig, theirs: &Path) -> Result<String, GitError> {
        if config.url_given || !theirs.is_file() {
            return Ok(config.url.clone());
        }
        let mut arguments = self.in_clone(&["config", "--no-includes", "--file"]);
        arguments.extend([theirs.as_os_str().to_owned(), "--get".into(), "remote.origin.url".into()]);
        let output = self.run(arguments, Vec::new())?;
        // it has none
        if output.code == Some(1) {
            return Ok(config.url.clone());
        }
        let url =
            String::from_utf8_lossy(&self.finished("config", output)?).trim_end_matches('\n').to_owned();
        if crate::config::usable_url(&url) {
            Ok(url)
        } else {
            Err(GitError::Url { path: config.dir.clone() })
        }
    }

    /// Fetches what the repository's main branch and its tags are now, as `refs/incoming/…`. Nothing that is known
    /// already is changed by it.
    pub(super) fn fetch(&self) -> Result<(), GitError> {
        let arguments = [
            "fetch",
            "--quiet",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--end-of-options",
            &self.url,
            "+HEAD:refs/incoming/head",
            "+refs/tags/*:refs/incoming/tags/*",
        ];
        let call = ToolCall { limit: FETCH_LIMIT, ..self.tool(self.in_clone(&arguments), Vec::new()) };
        self.finished("fetch", call.run()?).map(drop)
    }

    /// Calls a command on the clone; what it printed.
    pub(super) fn call(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        self.finished(command(arguments), self.run(self.in_clone(arguments), Vec::new())?)
    }

    /// The same for a command that answers with text.
    pub(super) fn text(&self, arguments: &[&str]) -> Result<String, GitError> {
        let odd = |_| GitError::Odd { command: command(arguments).to_owned(), expected: "text" };
        String::from_utf8(self.call(arguments)?).map_err(odd)
    }

    /// Calls a command that answers by its exit code: 0 for yes, 1 for no.
    pub(super) fn asks(&self, arguments: &[&str]) -> Result<bool, GitError> {
        let output = self.run(self.in_clone(arguments), Vec::new())?;
        if output.code == Some(1) {
            return Ok(false);
        }
        self.finished(command(arguments), output).map(|_| true)
    }

    /// Whether there is such an object of this type.
    pub(super) fn has(&self, object: &str, kind: &str) -> Result<bool, GitError> {
        let wanted = format!("{object}^{{{kind}}}");
        let output = self.run(self.in_clone(&["cat-file", "-e", &wanted]), Vec::new())?;
        Ok(output.code == Some(0))
    }

    /// Calls a command that reads this input and may print so much.
    pub(super) fn exchange(
        &self,
        arguments: &[&str],
        input: Vec<u8>,
        most: usize,
    ) -> Result<Vec<u8>, GitError> {
        let call = ToolCall { most_output: most, ..self.tool(self.in_clone(arguments), input) };
        self.finished(command(arguments), call.run()?)
    }

    fn in_clone(&self, arguments: &[&str]) -> Vec<OsString> {
        let mut dir = OsString::from("--git-dir=");
        dir.push(&self.dir);
        std::iter::once(dir).chain(arguments.iter().map(OsString::from)).collect()
    }

    fn run(&self, arguments: Vec<OsString>, input: Vec<u8>) -> Result<ToolOutput, GitError> {
        Ok(self.tool(arguments, input).run()?)
    }

    fn tool(&self, arguments: Vec<OsString>, input: Vec<u8>) -> ToolCall {
        let mut safe = OsString::from("safe.directory=");
        safe.push(&self.dir);
        let settings = SETTINGS.iter().map(OsString::from).chain([safe]);
        let mut all: Vec<OsString> = settings.flat_map(|setting| ["-c".into(), setting]).collect();
        all.extend(arguments);
        ToolCall {
            program: self.program.clone(),
            arguments: all,
            env: self.env.clone(),
            input,
            limit: LOCAL_LIMIT,
            most_output: MOST_OUTPUT,
        }
    }

    fn finished(&self, command: &str, output: ToolOutput) -> Result<Vec<u8>, GitError> {
        if output.code == Some(0) {
            return Ok(output.stdout);
        }
        // a URL may hold a password
        let hidden = output.stderr.replace(&self.url, "the key repository");
        let message = if self.url.is_empty() { output.stderr } else { hidden };
        let message = message.escape_debug().to_string().replace("\\n", " / ");
        Err(GitError::Failed { command: command.to_owned(), code: output.code, message })
    }
}

fn command<'a>(arguments: &[&'a str]) -> &'a str {
    arguments.first().copied().unwrap_or_default()
}

fn environment() -> Vec<(OsString, OsString)> {
    let fixed = ENVIRONMENT.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    fixed.chain([("PATH".into(), ToolCall::search_path())]).collect()
}

/// What the transport of this URL needs of the worker's own environment.
fn passed_on(url: &str) -> Vec<(OsString, OsString)> {
    let is_https = url.starts_with("https://");
    let is_file = url.starts_with('/') || url.starts_with("file://");
    let names: &[&str] = match (is_https, is_file) {
        (true, _) => &FOR_HTTPS,
        (_, true) => &[],
        _ => &FOR_SSH,
    };
    let mut passed: Vec<(OsString, OsString)> =
        names.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))).collect();
    if !is_https && !is_file && !passed.iter().any(|(name, _)| name == "GIT_SSH_COMMAND") {
        passed.push(("GIT_SSH_COMMAND".into(), "ssh -oBatchMode=yes".into()));
    }
    passed
}

/// Removes what a git that was killed has left behind: only one works here at a time.
fn remove_locks(dir: &Path) -> io::Result<()> {
    let mut open = vec![dir.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                // objects have names of their own
                if entry.file_name() != "objects" {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "lock") {
                Purpose::Keyring.remove_file(&path)?;
            }
        }
    }
    Ok(())
}
