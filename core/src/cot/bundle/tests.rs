use super::*;
use crate::cot::need::GitHubObject;
use crate::ids::{ArtifactName, RunId, RunKey};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Result<(Recorded, Evidence), BundleError> {
    super::read(&Bytes::copy_from_slice(bytes))
}

fn recorded() -> Recorded {
    Recorded {
        task_id: TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap(),
        task_type: "signing".to_owned(),
        product: "firefox".to_owned(),
        attested: true,
        signatures_checked: false,
        at: UnixMillis(1_795_000_000_000),
        queue_now: None,
        by: "a test".to_owned(),
        policy: None,
    }
}

fn evidence() -> Evidence {
    let task = recorded().task_id;
    let run = RunKey { task_id: task.clone(), run_id: RunId::FIRST };
    let name = |text| ArtifactName::parse(text).unwrap();
    let stored = StoredArtifact { sha256: [7; 32], sha512: Some([9; 64]), length: 12 };
    let class = DocumentKind::Attestation;
    let github = |what| Need::GitHub { repository: "a/b".to_owned(), what };
    let mut evidence = Evidence::new();
    for (need, answer) in [
        (Need::Task { task: task.clone() }, Answer::Present(b"{}".as_slice().into())),
        (Need::Status { task }, Answer::Present(b"{}".as_slice().into())),
        (Need::Artifact { run: run.clone(), name: name("public/a"), sha512: true }, Answer::Stored(stored)),
        (
            Need::Document { run: run.clone(), name: name("public/b"), class },
            Answer::Present(vec![0; 9].into()),
        ),
        (Need::Listing { run }, Answer::TooLarge { limit: 5 }),
        (Need::Projects, Answer::Absent),
        (github(GitHubObject::Repository), Answer::Forbidden { problem: "a place".to_owned() }),
        (github(GitHubObject::Pull { number: 7 }), Answer::Present(b"".as_slice().into())),
    ] {
        evidence.add(need, answer).unwrap();
    }
    evidence
}

fn all(evidence: &Evidence) -> Vec<(Need, Answer)> {
    evidence.iter().map(|(need, answer)| (need.clone(), answer.clone())).collect()
}

#[test]
fn what_was_written_is_read() {
    let bytes = write(&recorded(), &evidence()).unwrap();
    let (back, found) = read(&bytes).unwrap();
    assert_eq!(back, recorded());
    assert_eq!(all(&found), all(&evidence()));
    assert_eq!(write(&back, &found).unwrap(), bytes, "one form only");
    for (need, answer) in found.iter() {
        let made =
            if let Answer::Present(bytes) = answer { Some(Sha256::digest(bytes).into()) } else { None };
        assert_eq!(found.sha256(need), made, "{need}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_written() {
    let text = |sha512| {
        let run = RunKey { task_id: recorded().task_id, run_id: RunId::FIRST };
        let name = ArtifactName::parse("public/a").unwrap();
        serde_json::to_string(&Need::Artifact { run, name, sha512 }).unwrap()
    };
    assert!(text(true).contains("sha512") && !text(false).contains("sha512"));
}

#[test]
fn everything_but_attested_documents_is_taken_as_recorded() {
    let evidence = evidence();
    assert_eq!(taken_as_recorded(&evidence, false).count(), all(&evidence).len());
    let needs: Vec<_> = taken_as_recorded(&evidence, true).collect();
    assert_eq!(needs.len(), all(&evidence).len() - 1);
    assert!(!needs.iter().any(|need| matches!(need, Need::Document { .. })));
}

/// The bytes in front of the index, the index, and the blobs.
fn parts(bundle: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let head = MAGIC.len() + 1 + 64 + 1;
    let (length, rest) = line(&bundle[head..]).unwrap();
    let (index, blobs) = rest.split_at(std::str::from_utf8(length).unwrap().parse().unwrap());
    (&bundle[..head + length.len() + 1], index, blobs)
}

/// With another index, and a head that fits to it.
fn with_index(bundle: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (_, index, blobs) = parts(bundle);
    let changed = std::str::from_utf8(index).unwrap().replacen(from, to, 1);
    assert_ne!(changed.as_bytes(), index, "{from} is not there");
    let head = format!("{MAGIC}\n{}\n{}\n", digits(changed.as_bytes()), changed.len());
    [head.as_bytes(), changed.as_bytes(), blobs].concat()
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let bytes = write(&recorded(), &evidence()).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(read(&changed), Err(BundleError::Blob { .. })));
    assert!(matches!(read(&[&bytes, b"x".as_slice()].concat()), Err(BundleError::Surplus)));
    assert!(matches!(read(&bytes[..bytes.len() - 1]), Err(BundleError::Blob { .. })));
    assert!(matches!(read(b"another file"), Err(BundleError::NoBundle)));
    let (head, index, blobs) = parts(&bytes);
    let mut changed = index.to_vec();
    changed[0] = b' ';
    assert!(matches!(read(&[head, &changed, blobs].concat()), Err(BundleError::Damaged)));
    for odd in ["+", "0", " "] {
        let rest = &bytes[MAGIC.len() + 66..];
        let changed = [&bytes[..MAGIC.len() + 66], odd.as_bytes(), rest].concat();
        assert!(matches!(read(&changed), Err(BundleError::Damaged)), "{odd:?} before the length");
    }
    assert!(read(&with_index(&bytes, "a test", "another")).is_ok());
    let said = format!("{{\"present\":\"{}\"}}", digits(b""));
    let saying = |other: &str| read(&with_index(&bytes, &said, other)).unwrap_err();
    assert!(matches!(saying("{\"present\":\"x\"}"), BundleError::Digest(text) if text == "x"));
    let nobodys = digits(b"nobody's");
    let error = saying(&format!("{{\"present\":\"{nobodys}\"}}"));
    assert!(matches!(error, BundleError::MissingBlob { sha256 } if sha256 == nobodys));
    // then nothing refers to the blob
    assert!(matches!(saying("\"absent\""), BundleError::Surplus));
}

proptest! {
    #[test]
    fn any_changed_byte_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = write(&recorded(), &evidence()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(read(&bytes).is_err(), "byte {at}");
    }

    #[test]
    fn any_cut_is_noticed(at in any::<prop::sample::Index>()) {
        let bytes = write(&recorded(), &evidence()).unwrap();
        prop_assert!(read(&bytes[..at.index(bytes.len())]).is_err());
    }
}

#[test]
fn a_record_that_does_not_say_so_was_made_with_signatures() {
    let mut record = serde_json::to_value(recorded()).unwrap();
    assert_eq!(record["signaturesChecked"], false);
    record.as_object_mut().unwrap().remove("signaturesChecked");
    assert!(serde_json::from_value::<Recorded>(record).unwrap().signatures_checked);
}

#[test]
fn bundles_of_two_gigabytes_are_read() {
    assert_eq!(MOST_BYTES, 2_147_483_648);
}
