//! What is done with any bytes that a stranger may have written: the tests run these over the committed corpus,
//! cargo-fuzz over what it finds.
//!
//! A body panics when something is accepted that must not be, or when what was read is not what is written again.

use bytes::Bytes;
use scriptworker_core::client::{ArtifactUrlRule, ArtifactUrlRules};
use scriptworker_core::cot::bundle;
use scriptworker_core::cot::policy::{CURRENT, Policy};
use scriptworker_core::cot::task::Definition;
use scriptworker_core::digest::Digest;
use scriptworker_core::json::{DocumentKind, JsonIndex, difference, read_strict};
use scriptworker_core::source_url::{RepoUrl, SourceUrl};
use scriptworker_core::upstream_path::UpstreamPath;
use scriptworker_core::yaml;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::path::{Component, Path};
use std::sync::OnceLock;

/// A document: what is read means the same to a lenient reader, is read the same when it is written again, and the index
/// of it finds what the reader finds.
pub(crate) fn strict_json(bytes: &[u8]) -> bool {
    let read = read_strict(bytes, DocumentKind::TaskGraph);
    let indexed = JsonIndex::of(Bytes::copy_from_slice(bytes), DocumentKind::TaskGraph);
    let Ok(value) = read else {
        assert!(indexed.is_err());
        return false;
    };
    let lenient: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(difference(&value, &lenient), None);
    let again = read_strict(value.to_string().as_bytes(), DocumentKind::TaskGraph).unwrap();
    assert_eq!(difference(&value, &again), None);
    assert_eq!(indexed.is_ok(), value.is_object());
    if let Ok(index) = indexed {
        assert_eq!(value.as_object().map(Map::len), Some(index.len()));
        for key in index.keys() {
            assert_eq!(value.get(key), index.read(key).unwrap().as_ref());
        }
    }
    true
}

/// A definition: every reader of it comes to an end, and none of what it names is more than a name.
pub(crate) fn task_definition(bytes: &[u8]) -> bool {
    let Ok(task) = Definition::parse(bytes) else { return false };
    assert_eq!(read_strict(bytes, DocumentKind::TaskDefinition).unwrap(), task.to_value());
    assert_eq!(task.pool().as_str().matches('/').count(), 1);
    let _ = (
        task.is_action(),
        task.parent(),
        task.inputs(),
        task.expires(),
        task.source_env("GECKO").pull_request(),
    );
    for entry in task.upstream().into_iter().flatten() {
        assert!(entry.optional || entry.paths.iter().all(|path| !path.contains('*')));
        for path in &entry.paths {
            let _ = artifact_name(path.as_bytes());
        }
    }
    true
}

/// A policy: what is read is shown, and read as the same.
pub(crate) fn policy(bytes: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(bytes) else { return false };
    let shown = policy.show(None).unwrap();
    let again = Policy::from_value(shown.clone()).unwrap();
    assert_eq!(again.show(None), Some(shown));
    assert_eq!((again.rules, again.id.serial), (policy.rules, policy.id.serial));
    let _ = policy.lint(None);
    true
}

/// An address of a source tree, and of an artifact: its host is all that stands before the first slash, and what is
/// trusted is a whole repository of a trusted host.
pub(crate) fn address(bytes: &[u8]) -> bool {
    static RULES: OnceLock<ArtifactUrlRules> = OnceLock::new();
    static POLICY: OnceLock<Policy> = OnceLock::new();
    let text = String::from_utf8_lossy(bytes);
    // to make them takes far longer than to use them
    let rules = RULES.get_or_init(|| ArtifactUrlRules::new(&ArtifactUrlRule::defaults(None)).unwrap());
    if let Ok(path) = rules.file_path(&["Ypg6xKhKRU-pnkwylNQrMw"], &text) {
        assert!(stays_inside(&path), "{path}");
    }
    let Ok(url) = SourceUrl::parse(&text) else { return false };
    assert_eq!(SourceUrl::parse(url.as_str()).as_ref(), Ok(&url));
    let rest = url.as_str().split_once("://").unwrap().1;
    assert_eq!(rest.split('/').next(), Some(url.host()));
    assert!(
        url.segments().iter().all(|name| !matches!(name.as_str(), "" | "." | "..") && !name.contains('/'))
    );
    if let Ok(repository) = RepoUrl::parse(&text) {
        assert!(url.is_inside(&repository));
    }
    let policy = POLICY.get_or_init(|| Policy::parse(CURRENT.as_bytes()).unwrap());
    for product in policy.products.values() {
        let Ok(path) = product.trusted.trusted_path(&url) else { continue };
        assert!(matches!(url.host(), "hg.mozilla.org" | "github.com"));
        let names = path.trim_start_matches('/').split('/');
        assert!(
            names.zip(url.segments()).all(|(its, own)| own == its || own.strip_suffix(".git") == Some(its))
        );
    }
    true
}

/// The name of an artifact: what may be stored is below its directory, decoded or not.
pub(crate) fn artifact_name(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(path) = UpstreamPath::parse(&text) else { return false };
    assert!(stays_inside(path.as_str()));
    assert!(!path.as_str().chars().any(char::is_control));
    assert!(UpstreamPath::conflict([&path, &path]).is_none());
    true
}

/// YAML: what is read is JSON, and read as the same.
pub(crate) fn template_yaml(bytes: &[u8]) -> bool {
    let Ok(value) = yaml::read_strict(bytes, DocumentKind::TaskTemplate) else { return false };
    let text = value.to_string();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    true
}

fn stays_inside(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// What stands behind the digest of a bundle: whatever is read of it is written as something that reads the same, and one
/// byte of that changed is not read at all.
pub(crate) fn bundle(content: &[u8]) -> bool {
    let digest = Digest::Sha256(Sha256::digest(index_of(content).unwrap_or_default()).into()).digits();
    let whole = [format!("scriptworker cot bundle 1\n{digest}\n").as_bytes(), content].concat().into();
    let Ok((recorded, evidence)) = bundle::read(&whole) else { return false };
    let mut written = bundle::write(&recorded, &evidence).unwrap();
    let (again, same) = bundle::read(&written.clone().into()).unwrap();
    assert_eq!(again, recorded);
    assert!(same.iter().eq(evidence.iter()));
    let middle = written.len() / 2;
    if let Some(byte) = written.get_mut(middle) {
        *byte ^= 1;
    }
    assert!(bundle::read(&written.into()).is_err());
    true
}

/// The index, of which the first line says how long it is.
fn index_of(content: &[u8]) -> Option<&[u8]> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let length = std::str::from_utf8(content.get(..end)?).ok()?.parse().ok()?;
    content.get(end + 1..)?.get(..length)
}
