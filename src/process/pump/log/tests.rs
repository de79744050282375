use super::*;
use crate::fsio;
use std::path::PathBuf;

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
    log: Log,
}

fn fixture(max: Option<u64>) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = Log::new(fsio::create(&path, 0o600).unwrap(), Progress::default(), max);
    Fixture { _dir: dir, path, log }
}

/// Lines of eight bytes, each different.
fn output(bytes: usize) -> Vec<u8> {
    let lines: Vec<u8> =
        (0..).flat_map(|line: u32| format!("{line:07}\n").into_bytes()).take(bytes).collect();
    assert_eq!(lines.len(), bytes);
    lines
}

fn written(max: u64, bytes: &[u8], piece: usize) -> (Vec<u8>, PumpReport) {
    let mut fixture = fixture(Some(max));
    for piece in bytes.chunks(piece) {
        fixture.log.write(piece);
    }
    fixture.log.settle();
    fixture.log.note("exit code: 0");
    let report = fixture.log.close();
    (std::fs::read(fixture.path).unwrap(), report)
}

#[test]
fn what_fits_is_whole_and_in_order() {
    const MAX: usize = 3 << 20;
    for size in [0, 1, MAX - (1 << 20), MAX - (1 << 20) + 1, MAX - 1, MAX] {
        let bytes = output(size);
        let (file, report) = written(MAX as u64, &bytes, 64 * 1024);
        let own_line = if bytes.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
        let expected = [&bytes, own_line.as_bytes(), b"exit code: 0\n"].concat();
        assert!(file == expected, "{size}: the log differs");
        assert_eq!((report.left_out, report.lost), (0, 0));
        assert!(report.is_complete());
    }
}

#[test]
fn of_what_does_not_fit_the_beginning_and_the_end_are_kept() {
    for (max, tail, size, piece) in [
        (3 << 20, 1 << 20, (3 << 20) + 1, 1000),
        (3 << 20, 1 << 20, 20 << 20, 64 * 1024),
        (3 << 20, 1 << 20, 20 << 20, 5 << 20),
        (4096, 2048, 10_000, 100),
        (1, 0, 10, 10),
    ] {
        let bytes = output(size);
        let (file, report) = written(max as u64, &bytes, piece);
        let head = &bytes[..max - tail];
        let own_line = if head.last() == Some(&b'\n') { "" } else { "\n" };
        let mark = format!("{own_line}[{} bytes of output left out: max_log_size is {max}]\n", size - max);
        let end = &bytes[size - tail..];
        let last_line = if end.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
        let expected = [head, mark.as_bytes(), end, last_line.as_bytes(), b"exit code: 0\n"].concat();
        assert!(file == expected, "{max} {size} {piece}: the log differs");
        assert_eq!((report.left_out, report.lost, report.is_complete()), ((size - max) as u64, 0, true));
        assert_eq!(report.bytes, file.len() as u64);
    }
}

#[test]
fn the_beginning_is_there_at_once_and_memory_stays_small() {
    let mut fixture = fixture(Some(2 << 20));
    for _ in 0..1000 {
        fixture.log.write(&[b'x'; 64 * 1024]);
    }
    assert_eq!(std::fs::metadata(&fixture.path).unwrap().len(), 1 << 20);
    let held = fixture.log.held.as_ref().unwrap();
    assert_eq!(held.tail.len(), 1 << 20);
    assert!(held.tail.capacity() <= 4 << 20, "{}", held.tail.capacity());
}

#[test]
fn lines_of_the_worker_are_never_left_out() {
    let mut fixture = fixture(Some(64));
    fixture.log.write(&output(32));
    fixture.log.note("in the beginning");
    fixture.log.write(&[b'a'; 100]);
    fixture.log.note("long before the end");
    fixture.log.write(&[b'b'; 100]);
    fixture.log.note("in the end");
    fixture.log.write(&[b'c'; 10]);
    fixture.log.settle();
    fixture.log.note("exit code: 0");
    let report = fixture.log.close();
    let head = String::from_utf8(output(32)).unwrap();
    let expected = format!(
        "{head}in the beginning\n[178 bytes of output left out: max_log_size is 64]\nlong before the end\n{}\nin the \
         end\n{}\nexit code: 0\n",
        "b".repeat(22),
        "c".repeat(10),
    );
    assert_eq!(std::fs::read_to_string(fixture.path).unwrap(), expected);
    assert_eq!((report.left_out, report.lost), (178, 0));
}

#[test]
fn space_for_the_end_is_set_aside() {
    use std::os::unix::fs::MetadataExt;
    let mut fixture = fixture(None);
    fixture.log.write(b"first\n");
    let metadata = std::fs::metadata(&fixture.path).unwrap();
    assert_eq!(metadata.len(), 6);
    match fixture.log.reserved {
        Some(_) => assert!(metadata.blocks() * 512 >= TAIL + OWN_LINES, "{}", metadata.blocks()),
        None => println!("SKIPPED: this file system sets no space aside"),
    }
}
