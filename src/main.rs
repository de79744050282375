//! The one binary.

use scriptworker::process::guardian;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|verb| verb.as_encoded_bytes() == guardian::VERB.to_bytes()) {
        return guardian::main();
    }
    ExitCode::from(2)
}
