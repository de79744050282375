//! Events and bulk lines through an open log, to its file and its copy.

use super::super::outlet::MOST_BYTES;
use super::*;
use std::sync::Mutex;

const PATIENCE: Duration = Duration::from_secs(60);

/// A copy that the test can read.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn settings(dir: &tempfile::TempDir, verbose: bool) -> LogSettings {
    LogSettings {
        path: dir.path().join("logs/worker.log"),
        format: LineFormat::parse("%(levelname)8s - %(message)s", "%H").unwrap(),
        verbose,
        rotation: Rotation::None,
    }
}

fn logged(settings: &LogSettings, handle: &LogHandle, act: impl FnOnce()) -> String {
    let subscriber = tracing_subscriber::registry().with(handle.layer());
    tracing::subscriber::with_default(subscriber, act);
    assert!(handle.flush(PATIENCE));
    io::read_to_string(File::open(&settings.path).unwrap()).unwrap()
}

#[test]
fn an_event_is_one_line_whatever_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir, true);
    let handle = LogHandle::open(&settings, None).unwrap();
    let text = logged(&settings, &handle, || {
        tracing::info!(task = "abc", run = 3, "claimed");
        tracing::warn!(path = "a\nb c", "two\n    INFO - forged\u{1b}[2J\u{85}\u{2028}x\ty ä");
    });
    assert_eq!(
        text,
        "    INFO - claimed task=\"abc\" run=3\n \
         WARNING - two\\n    INFO - forged\\u{1b}[2J\\u{85}\\u{2028}x\ty ä path=\"a\\nb c\"\n"
    );
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn the_level_depends_on_verbose_and_chatter_is_kept_out() {
    for (verbose, expected) in
        [(true, "   DEBUG - ours\n WARNING - theirs\n"), (false, " WARNING - theirs\n")]
    {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, verbose);
        let handle = LogHandle::open(&settings, None).unwrap();
        let text = logged(&settings, &handle, || {
            tracing::debug!("ours");
            tracing::info!(target: "pgp::packet", "the secret packet");
            tracing::warn!(target: "actix_rt::system", "theirs");
        });
        assert_eq!(text, expected);
    }
}

#[test]
fn script_output_goes_in_bulk_to_file_and_copy() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir, true);
    let copy = Shared::default();
    let handle = LogHandle::open(&settings, Some(Box::new(copy.clone()))).unwrap();
    let lines = ["plain", "", "\u{fffd}broken\rback\u{202e}"];
    handle.append_lines(Level::INFO, "script", lines);
    handle.append_lines(Level::TRACE, "script", lines);
    assert!(handle.flush(PATIENCE));
    let expected = "    INFO - plain\n    INFO - \n    INFO - \u{fffd}broken\\rback\\u{202e}\n";
    assert_eq!(io::read_to_string(File::open(&settings.path).unwrap()).unwrap(), expected);
    assert_eq!(String::from_utf8(copy.0.lock().unwrap().clone()).unwrap(), expected);
    assert_eq!(handle.failed_writes(), 0);
}

#[test]
fn a_reader_of_stderr_that_is_gone_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir, true);
    let handle = LogHandle::open(&settings, Some(Box::new(Broken))).unwrap();
    let text = logged(&settings, &handle, || tracing::info!("still here"));
    assert_eq!((text.as_str(), handle.failed_writes()), ("    INFO - still here\n", 1));
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir, true);
    settings.path = "/dev/null/worker.log".into();
    assert!(matches!(LogHandle::open(&settings, None), Err(LogError::Open { .. })));
}

/// Takes nothing until its keeper is gone.
struct Stalled(mpsc::Receiver<()>);

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stalled_copy_stops_neither_who_logs_nor_the_file() {
    const EVENTS: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir, true);
    let (keeper, kept) = mpsc::channel();
    let handle = LogHandle::open(&settings, Some(Box::new(Stalled(kept)))).unwrap();
    // more than is queued for the copy
    let long = "x".repeat(MOST_BYTES / EVENTS * 2);
    let subscriber = tracing_subscriber::registry().with(handle.layer());
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..EVENTS {
            tracing::info!("{long}");
            // the file keeps up
            handle.reopen().unwrap();
        }
    });
    handle.append_lines(Level::INFO, "script", ["of the script"]);
    assert!(!handle.flush(Duration::ZERO), "the copy is not there yet");
    handle.reopen().unwrap();
    let text = io::read_to_string(File::open(&settings.path).unwrap()).unwrap();
    assert_eq!(text.lines().count(), EVENTS + 1);
    assert!(text.ends_with("\n    INFO - of the script\n"));
    drop(keeper);
    assert!(handle.flush(PATIENCE));
}

#[test]
fn what_is_lost_is_a_line_of_the_log_in_either_format() {
    let text = lost_lines(&LineFormat::parse("%(levelname)s %(message)s", "").unwrap(), 3);
    assert_eq!(text, "WARNING 3 line(s) are missing here: they came faster than they could be written\n");
    let json = lost_lines(&LineFormat::json(), 1);
    assert!(json.starts_with('{') && json.contains("1 line(s)") && json.ends_with("}\n"), "{json}");
}
