//! The one binary: the guardian when the worker started it as that, else the command line.

use scriptworker::cli;
use scriptworker::process::guardian;
use std::process::ExitCode;

fn main() -> ExitCode {
    // No core file, no debugger of the same user: there may be secrets in memory. Where the system has no such thing,
    // nothing is lost by going on.
    let _ = nix::sys::prctl::set_dumpable(false);
    // before anything else: the guardian is single-threaded and knows neither log nor configuration
    if std::env::args_os().nth(1).is_some_and(|verb| verb.as_encoded_bytes() == guardian::VERB.to_bytes()) {
        return guardian::main();
    }
    cli::main()
}
