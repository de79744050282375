//! A Python environment with the published libraries, made once and kept below `target`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library as the registry has it. The worker is measured against the same version.
const PUBLISHED: &str = "scriptworker==63.6.1";

/// Names a requirement (a directory or a URL) for `scriptworker_client`, which is on no registry.
const STANDALONE: &str = "SCRIPTWORKER_CLIENT_REQUIREMENT";

/// The environment with the published library; `None`, with a line that says so, where Python or the registry are not
/// to be had.
pub(crate) fn published() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = MADE.get_or_init(|| match make("published", &[PUBLISHED]) {
        Ok(dir) => Some(dir),
        Err(problem) => {
            assert_ne!(std::env::var("SCRIPTWORKER_NO_SKIP").as_deref(), Ok("1"), "{problem}");
            skipped(&problem);
            None
        }
    });
    made.as_deref()
}

/// The environment with the stand-alone library, where a requirement for it is given.
pub(crate) fn standalone() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = MADE.get_or_init(|| match std::env::var(STANDALONE) {
        Ok(requirement) => Some(make("standalone", &[&requirement, "taskcluster"]).unwrap()),
        Err(_) => {
            skipped(&format!(
                "scriptworker_client is on no registry, and {STANDALONE} does not say where it is"
            ));
            None
        }
    });
    made.as_deref()
}

#[expect(clippy::print_stdout, reason = "what was not tested is to be seen")]
fn skipped(problem: &str) {
    println!("SKIPPED: scripts for a Python library: {problem}");
}

/// The interpreter of an environment.
pub(crate) fn python(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

fn make(name: &str, requirements: &[&str]) -> Result<PathBuf, String> {
    let version = output(Command::new("python3").arg("--version"))?;
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{name}"));
    // another process that tests at the same time must find it whole
    let lock = File::create(dir.with_extension("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let stamp = dir.join("requirements");
    let content = format!("{} {} -rfc3987-syntax", version.trim(), requirements.join(" "));
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == content) {
        return Ok(dir);
    }
    output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
    let mut pip = Command::new(python(&dir));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    output(pip.args(requirements))?;
    // Optional for jsonschema, which asks it about the formats `iri` alone, and two seconds of CPU at every start.
    output(Command::new(python(&dir)).args([
        "-m",
        "pip",
        "uninstall",
        "--quiet",
        "--yes",
        "rfc3987-syntax",
    ]))?;
    std::fs::write(stamp, content).map_err(|error| error.to_string())?;
    Ok(dir)
}

fn output(command: &mut Command) -> Result<String, String> {
    match command.output() {
        Err(error) => Err(format!("{command:?}: {error}")),
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
