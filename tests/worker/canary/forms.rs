//! The forms in which a secret can hide.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What URLs may hold as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Every form of a secret that is looked for.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let percent = |set| utf8_percent_encode(secret, set).to_string();
    let quoted = serde_json::Value::from(secret).to_string();
    let unquoted = |text: &str| text.trim_matches('"').to_owned();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("in JSON", unquoted(&quoted)),
        ("in JSON in JSON", unquoted(&serde_json::Value::from(unquoted(&quoted)).to_string())),
        ("in a debug text", unquoted(&format!("{secret:?}"))),
        ("URL-encoded", percent(UNRESERVED)),
        ("URL-encoded as a whole", percent(NON_ALPHANUMERIC)),
        ("as a form", percent(UNRESERVED).replace("%20", "+")),
        ("URL-encoded in small letters", lower_escapes(&percent(UNRESERVED))),
        ("hexadecimal", hex.to_uppercase()),
        ("hexadecimal in small letters", hex),
    ];
    // in the middle of something, base64 has three faces; letters that depend on the neighbours are left out
    for before in 0..3 {
        let text = [&vec![b'x'; before][..], secret.as_bytes()].concat();
        let (from, until) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64 for URLs", &URL_SAFE_NO_PAD)] {
            forms.push((name, engine.encode(&text)[from..until].to_owned()));
        }
    }
    forms
}

fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let (hex, rest) = part.split_at(2);
        format!("{all}%{}{rest}", hex.to_lowercase())
    })
}

/// The form in which the bytes hold the secret, if they do.
pub(super) fn find(bytes: &[u8], secret: &str) -> Option<&'static str> {
    let holds = |form: &str| bytes.windows(form.len()).any(|window| window == form.as_bytes());
    forms(secret).into_iter().find(|(_, form)| holds(form)).map(|(name, _)| name)
}

#[test]
fn every_form_is_found_and_nothing_else() {
    let secret = "a/b+c=d \"e\" ä\n0123456789";
    let mut names: Vec<&str> = forms(secret)
        .into_iter()
        .map(|(_, form)| find(format!("before {form} behind").as_bytes(), secret).expect("found"))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= 9, "{names:?}");
    for (before, after) in [("", ""), ("1", "22"), ("12", "3"), ("123", "44")] {
        let text = format!("{before}{secret}{after}");
        let base64 = base64::engine::general_purpose::STANDARD.encode(&text);
        assert_eq!(find(base64.as_bytes(), secret), Some("base64"), "{text:?}");
    }
    assert_eq!(find("a/b+c=d \"e\" ä\n012345678".as_bytes(), secret), None);
    assert_eq!(find(b"", secret), None);
}
