//! Bytes, lengths and digests of bodies, also of files that change under the reader.

#![expect(clippy::disallowed_methods, reason = "the tests play the script, which does not go through fsio")]

use super::super::walk::{ArtifactDir, RefusedReason};
use super::*;
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use std::io::{Read, Write};
use std::path::Path;

/// `artifact_dir` and a scratch folder beside it.
struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("artifacts")).unwrap();
        std::fs::create_dir(dir.path().join("scratch")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("artifacts").join(name)
    }

    fn found(&self, name: &str) -> FoundFile {
        let artifacts = ArtifactDir::open(&self.dir.path().join("artifacts"), nix::unistd::getuid()).unwrap();
        artifacts.file(&ArtifactName::parse(name).unwrap()).unwrap()
    }

    fn how(&self) -> Preparation {
        Preparation { scratch: self.dir.path().join("scratch"), compress: true, sha512: false }
    }

    async fn prepare(&self, name: &str, bytes: &[u8]) -> PreparedArtifact {
        std::fs::write(self.path(name), bytes).unwrap();
        PreparedArtifact::new(self.found(name), &self.how()).await.unwrap()
    }
}

/// Not compressible, not constant, the same on every machine.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()[7]
    };
    (0..length).map(|_| next()).collect()
}

/// The whole body as the other side would get it, or what was there before the error.
async fn drain(mut stream: BodyStream) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

async fn send(artifact: &PreparedArtifact) -> (Vec<u8>, Result<Digests, BodyError>) {
    let (stream, outcome) = artifact.body();
    let (bytes, error) = drain(stream).await;
    let outcome = outcome.wait().await;
    assert_eq!(error.is_some(), outcome.is_err(), "{error:?} {outcome:?}");
    (bytes, outcome)
}

/// The digest by the system's own tool.
fn sha256sum(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[actix_web::test]
async fn a_file_is_sent_as_it_is_and_hashed_on_the_way() {
    let fixture = Fixture::new();
    for length in [1, CHUNK - 1, CHUNK, CHUNK + 1, 10 * CHUNK + 7] {
        let bytes = noise(length);
        let artifact = fixture.prepare("target.apk", &bytes).await;
        assert_eq!((artifact.media_type(), artifact.encoding()), ("application/binary", None));
        assert_eq!((artifact.length(), artifact.original_length()), (length as u64, length as u64));
        assert_eq!(artifact.digests(), None);
        for _ in 0..2 {
            let (sent, outcome) = send(&artifact).await;
            assert!(sent == bytes, "length {length}");
            assert_eq!(outcome.unwrap().sha256_hex(), sha256sum(&fixture.path("target.apk")));
        }
        assert_eq!(artifact.digests().unwrap().sha256_hex(), sha256sum(&fixture.path("target.apk")));
    }
}

#[actix_web::test]
async fn a_text_is_compressed_once_and_the_digest_is_of_the_text() {
    let fixture = Fixture::new();
    let text = "one line of the log\n".repeat(100_000);
    let artifact = fixture.prepare("live_backing.log", text.as_bytes()).await;
    assert_eq!((artifact.media_type(), artifact.encoding()), ("text/plain", Some(Gzip)));
    assert_eq!(artifact.original_length(), text.len() as u64);
    assert!(artifact.length() < artifact.original_length() / 10);
    assert_eq!(artifact.digests().unwrap().sha256_hex(), sha256sum(&fixture.path("live_backing.log")));
    // the script's file no longer matters: what is sent again is what was hashed
    std::fs::write(fixture.path("live_backing.log"), "something else").unwrap();
    let mut tries = Vec::new();
    for _ in 0..2 {
        let (sent, outcome) = send(&artifact).await;
        assert_eq!(sent.len() as u64, artifact.length());
        assert_eq!(outcome.unwrap(), artifact.digests().unwrap());
        tries.push(sent);
    }
    assert_eq!(tries[0], tries[1]);
    let mut unpacked = String::new();
    GzDecoder::new(tries[0].as_slice()).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, text);
    assert_eq!(std::fs::read_dir(fixture.how().scratch).unwrap().count(), 0, "no name is left behind");
}

#[actix_web::test]
async fn the_same_text_has_the_same_compressed_form_without_time_or_name() {
    let fixture = Fixture::new();
    let (a, _) = send(&fixture.prepare("a.txt", b"hello").await).await;
    let (b, _) = send(&fixture.prepare("b.html", b"hello").await).await;
    assert_eq!(a, b);
    let decoder = GzDecoder::new(a.as_slice());
    let header = decoder.header().unwrap();
    assert_eq!((header.mtime(), header.filename(), header.comment(), header.extra()), (0, None, None, None));
}

#[actix_web::test]
async fn empty_files_have_a_body_and_a_digest() {
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let fixture = Fixture::new();
    let artifact = fixture.prepare("empty.bin", b"").await;
    let (sent, outcome) = send(&artifact).await;
    assert_eq!((sent.len(), artifact.length()), (0, 0));
    assert_eq!(outcome.unwrap().sha256_hex(), EMPTY);
    let artifact = fixture.prepare("empty.log", b"").await;
    let (sent, outcome) = send(&artifact).await;
    assert_eq!(outcome.unwrap().sha256_hex(), EMPTY);
    assert_eq!(sent.len() as u64, artifact.length());
    let mut unpacked = Vec::new();
    GzDecoder::new(sent.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, b"");
}

#[actix_web::test]
async fn sha512_is_there_when_asked_for() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("abc"), "abc").unwrap();
    let how = Preparation { sha512: true, ..fixture.how() };
    let artifact = PreparedArtifact::new(fixture.found("abc"), &how).await.unwrap();
    let digests = send(&artifact).await.1.unwrap();
    assert_eq!(digests.sha256_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(
        digests.sha512_hex().unwrap(),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    );
}

#[actix_web::test]
async fn nothing_is_compressed_when_it_is_not_wanted() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("a.txt"), "text").unwrap();
    let how = Preparation { compress: false, ..fixture.how() };
    let artifact = PreparedArtifact::new(fixture.found("a.txt"), &how).await.unwrap();
    assert_eq!((artifact.media_type(), artifact.encoding()), ("text/plain", None));
    assert_eq!(send(&artifact).await.0, b"text");
}

#[actix_web::test]
async fn a_file_that_grows_while_it_is_sent_never_makes_a_complete_body() {
    let fixture = Fixture::new();
    let length = (READ_AHEAD + 4) * CHUNK;
    let artifact = fixture.prepare("growing.bin", &noise(length)).await;
    let (mut stream, outcome) = artifact.body();
    // the reader cannot be at the end yet: the read-ahead is bounded
    let first = stream.next().await.unwrap().unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(fixture.path("growing.bin")).unwrap();
    file.write_all(b"more").unwrap();
    let (rest, error) = drain(stream).await;
    assert!(first.len() + rest.len() < length);
    assert!(error.is_some());
    let error = outcome.wait().await.unwrap_err();
    let BodyError::Changed { expected, found, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*expected, *found), (length as u64, length as u64 + 4));
    assert_eq!(error.status(), TaskStatus::InternalError);
    assert_eq!(artifact.digests(), None);
}

#[actix_web::test]
async fn a_file_that_shrinks_while_it_is_sent_never_makes_a_complete_body() {
    let fixture = Fixture::new();
    let length = (READ_AHEAD + 4) * CHUNK;
    let artifact = fixture.prepare("shrinking.bin", &noise(length)).await;
    let (mut stream, outcome) = artifact.body();
    stream.next().await.unwrap().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(fixture.path("shrinking.bin")).unwrap();
    file.set_len(length as u64 - 1).unwrap();
    assert!(drain(stream).await.1.is_some());
    let error = outcome.wait().await.unwrap_err();
    let BodyError::Changed { expected, found, .. } = error else { panic!("{error:?}") };
    assert_eq!((expected, found), (length as u64, length as u64 - 1));
}

#[actix_web::test]
async fn a_file_that_changed_between_two_tries_is_an_error() {
    let fixture = Fixture::new();
    let artifact = fixture.prepare("a.bin", b"first").await;
    let (sent, outcome) = send(&artifact).await;
    assert_eq!(sent, b"first");
    let expected = outcome.unwrap().sha256_hex();
    // same length, same inode
    let mut file = std::fs::OpenOptions::new().write(true).open(fixture.path("a.bin")).unwrap();
    file.write_all(b"fIrst").unwrap();
    let (sent, outcome) = send(&artifact).await;
    assert_eq!(sent, b"");
    let error = outcome.unwrap_err();
    let BodyError::Rewritten { expected: was, found, .. } = error else { panic!("{error:?}") };
    assert_eq!((was, found), (expected, sha256sum(&fixture.path("a.bin"))));
    // another size
    file.write_all(b"longer").unwrap();
    assert!(matches!(
        send(&artifact).await.1.unwrap_err(),
        BodyError::Changed { expected: 5, found: 11, .. }
    ));
}

#[actix_web::test]
async fn a_file_that_was_replaced_is_an_error() {
    let fixture = Fixture::new();
    let artifact = fixture.prepare("a.bin", b"first").await;
    std::fs::write(fixture.path("b.bin"), "other").unwrap();
    std::fs::rename(fixture.path("b.bin"), fixture.path("a.bin")).unwrap();
    let error = send(&artifact).await.1.unwrap_err();
    let BodyError::Refused(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.reason, RefusedReason::Replaced);
    assert_eq!(error.status(), TaskStatus::Failure);
}

#[actix_web::test]
async fn an_abandoned_body_stops_its_reader() {
    let fixture = Fixture::new();
    let artifact = fixture.prepare("a.bin", &noise((READ_AHEAD + 4) * CHUNK)).await;
    let (mut stream, outcome) = artifact.body();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert!(matches!(outcome.wait().await.unwrap_err(), BodyError::Abandoned { .. }));
    assert_eq!(artifact.digests(), None);
    // and the next try is whole
    assert_eq!(send(&artifact).await.0.len() as u64, artifact.length());
}

#[actix_web::test]
async fn more_than_4_gib_is_announced_in_full() {
    let fixture = Fixture::new();
    let length = (1 << 32) + 5;
    File::create(fixture.path("big.bin")).unwrap().set_len(length).unwrap();
    let artifact = PreparedArtifact::new(fixture.found("big.bin"), &fixture.how()).await.unwrap();
    assert_eq!((artifact.length(), artifact.original_length()), (length, length));
    // the first pieces are served without reading the rest
    let (mut stream, outcome) = artifact.body();
    assert_eq!(stream.next().await.unwrap().unwrap(), vec![0; CHUNK]);
    drop(stream);
    assert!(matches!(outcome.wait().await.unwrap_err(), BodyError::Abandoned { .. }));
}

#[actix_web::test]
async fn without_room_for_the_compressed_form_it_is_sent_as_it_is() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("a.log"), "text").unwrap();
    let how = Preparation { scratch: fixture.dir.path().join("absent"), ..fixture.how() };
    let artifact = PreparedArtifact::new(fixture.found("a.log"), &how).await.unwrap();
    assert_eq!((artifact.encoding(), artifact.length(), artifact.media_type()), (None, 4, "text/plain"));
    let (mut stream, outcome) = artifact.body();
    assert_eq!(stream.next().await.unwrap().unwrap(), "text");
    assert!(stream.next().await.is_none());
    outcome.wait().await.unwrap();
}

#[test]
fn what_cannot_be_kept_is_the_workers_failure() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("a.log"), "text").unwrap();
    let found = fixture.found("a.log");
    let (mut file, absent) = (found.open().unwrap(), fixture.dir.path().join("absent"));
    let mut reading = Reading::new(found.name(), &mut file, 4, false);
    let error = compress(&mut reading, &absent, &AtomicBool::new(true)).unwrap_err();
    let BodyError::Scratch { source, dir, .. } = &error else { panic!("{error:?}") };
    assert_eq!((source.kind(), dir), (io::ErrorKind::NotFound, &absent));
    assert_eq!(error.status(), TaskStatus::InternalError);
}

#[test]
fn a_compression_nobody_waits_for_stops() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("a.log"), "text").unwrap();
    let wanted = AtomicBool::new(false);
    let error = PreparedArtifact::prepare(fixture.found("a.log"), &fixture.how(), &wanted).unwrap_err();
    assert!(matches!(error, BodyError::Abandoned { .. }));
}
