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
    forms.extend(base64_faces(secret.as_bytes()));
    forms
}

/// In the middle of something, base64 has three faces; letters that depend on the neighbours are left out.
fn base64_faces(secret: &[u8]) -> Vec<(&'static str, String)> {
    let mut faces = Vec::new();
    for before in 0..3 {
        let text = [&vec![b'x'; before][..], secret].concat();
        let (from, until) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64 for URLs", &URL_SAFE_NO_PAD)] {
            faces.push((name, engine.encode(&text)[from..until].to_owned()));
        }
    }
    faces
}

/// The form in which the bytes hold a secret that is no text, if they do.
pub(super) fn find_key(bytes: &[u8], secret: &[u8]) -> Option<&'static str> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let debug = format!("{secret:?}");
    let percent = percent_encoding::percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut forms = vec![
        ("raw", secret.to_vec()),
        ("in a debug text", debug.trim_matches(['[', ']']).as_bytes().to_vec()),
        ("URL-encoded", percent.into_bytes()),
        ("hexadecimal", hex.to_uppercase().into_bytes()),
        ("hexadecimal in small letters", hex.into_bytes()),
    ];
    forms.extend(base64_faces(secret).into_iter().map(|(name, form)| (name, form.into_bytes())));
    let holds = |form: &[u8]| bytes.windows(form.len()).any(|window| window == form);
    forms.into_iter().find(|(_, form)| holds(form)).map(|(name, _)| name)
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

#[test]
fn every_form_of_a_key_is_found_and_nothing_else() {
    let key: Vec<u8> = (200..232).collect();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [key.clone(), format!("{key:?}").into_bytes(), hex.into_bytes()] {
        assert!(find_key(&[b"before", &text[..], b"behind"].concat(), &key).is_some());
    }
    for before in ["", "1", "12"] {
        let text = STANDARD_NO_PAD.encode([before.as_bytes(), &key, b"after"].concat());
        assert_eq!(find_key(text.as_bytes(), &key), Some("base64"), "{text}");
    }
    assert_eq!(find_key(&key[1..], &key), None);
}
