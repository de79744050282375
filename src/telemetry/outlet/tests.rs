//! What happens to lines while their output takes nothing.

use super::*;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

const PATIENCE: Duration = Duration::from_secs(60);

/// Begins each write by saying so, and ends it when it may.
struct Gated {
    begun: Sender<()>,
    gate: Receiver<()>,
    written: Arc<Mutex<String>>,
}

impl Output for Gated {
    fn write(&mut self, lines: &str, progress: &mut dyn FnMut()) {
        self.begun.send(()).unwrap();
        // an open gate is one without a keeper
        let _ = self.gate.recv();
        self.written.lock().unwrap().push_str(lines);
        progress();
    }

    fn failed_writes(&self) -> u64 {
        0
    }
}

struct Setup {
    outlet: Outlet<Gated>,
    begun: Receiver<()>,
    keeper: SyncSender<()>,
    written: Arc<Mutex<String>>,
}

fn setup() -> Setup {
    let ((begun_tx, begun), (keeper, gate)) = (mpsc::channel(), mpsc::sync_channel(0));
    let written = Arc::default();
    let output = Gated { begun: begun_tx, gate, written: Arc::clone(&written) };
    let outlet = Outlet::start("gated", output, |count| format!("{count} lost\n")).unwrap();
    Setup { outlet, begun, keeper, written }
}

fn done(outlet: &Outlet<Gated>) {
    let (tell, told) = mpsc::channel();
    outlet.run(move |_| tell.send(()).unwrap());
    told.recv_timeout(PATIENCE).unwrap();
}

fn line(letter: char, bytes: usize) -> Arc<str> {
    format!("{}\n", letter.to_string().repeat(bytes - 1)).into()
}

#[test]
fn what_does_not_fit_is_counted_in_its_place_and_nobody_waits() {
    let Setup { outlet, begun, keeper, written } = setup();
    let eighth = MOST_BYTES / 8;
    for letter in "abcdefgh".chars() {
        outlet.push(&line(letter, eighth), Full::Lose, Haste::Soon);
    }
    // what is being written takes room, too
    begun.recv_timeout(PATIENCE).unwrap();
    outlet.push(&line('i', eighth), Full::Lose, Haste::Soon);
    outlet.push(&"j\nk\n".into(), Full::Lose, Haste::Soon);
    keeper.send(()).unwrap();
    begun.recv_timeout(PATIENCE).unwrap();
    outlet.push(&line('l', eighth), Full::Lose, Haste::Soon);
    outlet.push(&"m\n".into(), Full::Lose, Haste::Soon);
    drop(keeper);
    done(&outlet);
    let mut expected: String = "abcdefgh".chars().map(|letter| line(letter, eighth).to_string()).collect();
    expected.push_str("3 lost\n");
    expected.push_str(&line('l', eighth));
    expected.push_str("1 lost\n");
    // not `assert_eq`: it would print both
    assert!(*written.lock().unwrap() == expected, "{}", written.lock().unwrap().replace("aaaa", ""));
}

#[test]
fn who_waits_loses_nothing_and_leaves_room_for_those_who_cannot_wait() {
    let Setup { outlet, begun, keeper, written } = setup();
    let piece = MOST_BULK / 4;
    let all: Vec<Arc<str>> = ('a'..='z').map(|letter| line(letter, piece)).collect();
    std::thread::scope(|scope| {
        let pushing =
            scope.spawn(|| all.iter().for_each(|lines| outlet.push(lines, Full::Wait, Haste::Soon)));
        for _ in 0..10 {
            begun.recv_timeout(PATIENCE).unwrap();
            assert!(outlet.0.lock().bytes <= MOST_BULK);
            keeper.send(()).unwrap();
        }
        assert!(!pushing.is_finished());
        outlet.push(&line('!', MOST_BYTES / 2), Full::Lose, Haste::Soon);
        drop(keeper);
    });
    done(&outlet);
    let mut written = written.lock().unwrap().clone();
    assert!(written.contains('!') && !written.contains("lost"));
    written.retain(|letter| letter != '!');
    let pieces: String = written.split_terminator('\n').filter(|line| !line.is_empty()).collect();
    assert!(pieces == all.concat().replace('\n', ""), "out of order");
}

#[test]
fn nobody_waits_for_an_output_that_does_not_move() {
    let Setup { outlet, begun, keeper, written } = setup();
    let full = Full::WaitUnlessStalled(Duration::from_millis(1));
    outlet.push(&line('a', MOST_BULK), full, Haste::Soon);
    begun.recv_timeout(PATIENCE).unwrap();
    outlet.push(&"b\nc\n".into(), full, Haste::Soon);
    outlet.push(&"d\n".into(), full, Haste::Soon);
    drop(keeper);
    done(&outlet);
    outlet.push(&"e\n".into(), full, Haste::Soon);
    done(&outlet);
    assert!(written.lock().unwrap().ends_with("a\n3 lost\ne\n"));
}

#[test]
fn what_was_handed_over_is_written_though_nobody_is_left() {
    let Setup { outlet, begun, keeper, written } = setup();
    outlet.push(&"a\n".into(), Full::Lose, Haste::Soon);
    outlet.push(&"b\n".into(), Full::Lose, Haste::Soon);
    drop(outlet);
    drop(keeper);
    // the thread's end closes the channel
    while begun.recv_timeout(PATIENCE).is_ok() {}
    assert_eq!(*written.lock().unwrap(), "a\nb\n");
}
