//! How a test says that it lacks something that can be installed or fetched. A missing privilege is not one of these:
//! such a test prints its own `SKIPPED: …`.

/// Prints what is skipped and why; fails instead when `SCRIPTWORKER_NO_SKIP=1`.
#[expect(clippy::print_stdout, reason = "what was not tested is to be seen")]
pub(crate) fn skip(what: &str) {
    assert!(std::env::var("SCRIPTWORKER_NO_SKIP").as_deref() != Ok("1"), "must not be skipped: {what}");
    println!("SKIPPED: {what}");
}
