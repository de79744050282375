//! `scriptworker list-keys`: the keys of a keyring, and for each whether it counts and why not.

use super::common::{KeyVerbError, finish, now, print};
use super::keyring::KeyringChoice;
use clap::Args;
use scriptworker_core::json::format_json;
use scriptworker_core::openpgp::KeyStatus;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Which keyring, and how it is shown.
#[derive(Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    from: KeyringChoice,
    /// As JSON: {"keys": [{"fingerprint", "user_ids", "role", "valid", "reason", "explanation", "warnings"}]}.
    #[arg(long)]
    json: bool,
}

/// Lists.
pub(super) fn list_keys(options: &Options) -> ExitCode {
    finish("list-keys", list(options))
}

fn list(options: &Options) -> Result<ExitCode, KeyVerbError> {
    let keys = options.from.open()?.keys(now());
    let text = if options.json {
        let keys: Vec<Value> = keys.iter().map(as_json).collect();
        format!("{}\n", format_json(&json!({ "keys": keys })))
    } else {
        keys.iter().map(as_line).collect()
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(key: &KeyStatus) -> Value {
    let reason = key.state.as_ref().err();
    json!({
        "fingerprint": key.fingerprint,
        "user_ids": key.user_ids,
        "role": key.role,
        "valid": key.state.is_ok(),
        "reason": reason.map(|reason| reason.code()),
        "explanation": reason.map(ToString::to_string),
        "warnings": key.warnings.iter().map(|warning| warning.code()).collect::<Vec<_>>(),
    })
}

/// One line: the state, the fingerprint, the user ids. Those are texts of whoever made the key.
fn as_line(key: &KeyStatus) -> String {
    let users: Vec<String> = key.user_ids.iter().map(|user| user.escape_debug().to_string()).collect();
    let state = match &key.state {
        Ok(()) => "valid  ".to_owned(),
        Err(_) => "invalid".to_owned(),
    };
    let why = match &key.state {
        Ok(()) => String::new(),
        Err(reason) => format!("  [{}: {reason}]", reason.code()),
    };
    format!("{state}  {}  {}{why}\n", key.fingerprint, users.join(", "))
}
