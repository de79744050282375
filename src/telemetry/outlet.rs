//! One output of the log and the thread that writes to it, with a bounded queue between: whoever logs never waits for
//! a disk or for a reader of stderr. Each output has its own, so that none of them stalls another.
//!
//! What does not fit is counted, and a line in its place says how much is missing.
//!
//! Waking a thread costs more than writing a line. So the first line after a pause is written at once, and those that
//! follow closely are written together a moment later, unless they are pressing.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most that waits to be written, what is being written included.
pub(super) const MOST_BYTES: usize = 8 << 20;

/// The most of it that comes from somebody who would rather wait: the rest is for those who cannot.
pub(super) const MOST_BULK: usize = 1 << 20;

/// Lines that come sooner than this after others may wait for the rest of it, so that they share a wake-up.
const GATHER: Duration = Duration::from_millis(10);

/// So many bytes are worth a wake-up of their own.
const MUCH: usize = 64 * 1024;

/// Where lines go in the end. Only the outlet's thread calls it, so it may block.
pub(super) trait Output: Send + 'static {
    /// Writes whole lines; what fails is counted and forgotten. Calls `progress` whenever a part is done.
    fn write(&mut self, lines: &str, progress: &mut dyn FnMut());

    /// How many times something could not be written.
    fn failed_writes(&self) -> u64;
}

/// What to do while there is no room.
#[derive(Debug, Clone, Copy)]
pub(super) enum Full {
    /// Lose the lines.
    Lose,
    /// Wait for room.
    Wait,
    /// Wait for room, but lose the lines when nothing at all was written for so long.
    WaitUnlessStalled(Duration),
}

/// How soon lines are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// Within [`GATHER`].
    Soon,
    /// At once, with all before them.
    Now,
}

/// What the thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// Writes, or was woken: it looks at the queue by itself.
    Busy,
    /// Sleeps until there is something.
    Idle,
    /// Lets lines gather for a moment.
    Gathering,
}

enum Item<O> {
    /// Whole lines.
    Lines(Arc<str>),
    /// In this place so many lines are missing.
    Lost(u64),
    /// Something to be done with the output once everything before is written.
    Do(Box<dyn FnOnce(&mut O) + Send>),
}

/// The sending end. When it is dropped, the thread writes what it has and ends.
pub(super) struct Outlet<O: Output>(Arc<Shared<O>>);

struct Shared<O> {
    queue: Mutex<Queue<O>>,
    work: Condvar,
    room: Condvar,
    failed_writes: AtomicU64,
}

struct Queue<O> {
    items: VecDeque<Item<O>>,
    /// Of the lines that wait or are being written.
    bytes: usize,
    /// When something was written last, or began to wait for it.
    progressed: Instant,
    writer: Writer,
    /// Something in it does not wait for [`GATHER`].
    pressing: bool,
    closed: bool,
}

impl<O> Shared<O> {
    fn lock(&self) -> MutexGuard<'_, Queue<O>> {
        // nothing is left half done between two statements that could panic
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread if it would not look by itself soon enough.
    fn wake(&self, mut queue: MutexGuard<'_, Queue<O>>, haste: Haste) {
        queue.pressing |= haste == Haste::Now;
        match queue.writer {
            Writer::Idle => {}
            Writer::Gathering if queue.pressing => {}
            Writer::Busy | Writer::Gathering => return,
        }
        queue.writer = Writer::Busy;
        drop(queue);
        self.work.notify_one();
    }

    /// For the thread: waits until there is something to do, and for what may come closely behind it.
    fn next(&self, written: Option<Instant>) -> Option<Item<O>> {
        let mut queue = self.lock();
        if queue.items.is_empty() && !queue.closed {
            queue.pressing = false;
            queue.writer = Writer::Idle;
            queue = self.wait(queue, Writer::Idle, None);
            let gathering = written.map(|at| GATHER.saturating_sub(at.elapsed())).unwrap_or_default();
            if !gathering.is_zero() && !queue.pressing {
                queue.writer = Writer::Gathering;
                queue = self.wait(queue, Writer::Gathering, Some(gathering));
            }
            queue.writer = Writer::Busy;
        }
        queue.items.pop_front()
    }

    /// Waits until somebody ends that state, or the time is over.
    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue<O>>,
        state: Writer,
        most: Option<Duration>,
    ) -> MutexGuard<'a, Queue<O>> {
        let unchanged = |queue: &mut Queue<O>| queue.writer == state;
        match most {
            None => self.work.wait_while(queue, unchanged).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.work.wait_timeout_while(queue, most, unchanged);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl<O: Output> Outlet<O> {
    /// Starts the thread. `lost` words the line that stands for so many lost ones.
    pub(super) fn start(
        name: &str,
        mut output: O,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let (items, progressed) = (VecDeque::new(), Instant::now());
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                items,
                bytes: 0,
                progressed,
                writer: Writer::Busy,
                pressing: false,
                closed: false,
            }),
            work: Condvar::new(),
            room: Condvar::new(),
            failed_writes: AtomicU64::new(0),
        });
        let outlet = Self(Arc::clone(&shared));
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(&shared, &mut output, &lost))?;
        Ok(outlet)
    }

    /// Hands over whole lines, each with its line feed.
    pub(super) fn push(&self, lines: &Arc<str>, full: Full, haste: Haste) {
        let mut queue = self.0.lock();
        let fits = match full {
            Full::Lose => queue.bytes.saturating_add(lines.len()) <= MOST_BYTES,
            Full::Wait => {
                let no_room = |queue: &mut Queue<O>| !queue.has_bulk_room(lines.len());
                queue = self.0.room.wait_while(queue, no_room).unwrap_or_else(PoisonError::into_inner);
                true
            }
            Full::WaitUnlessStalled(patience) => loop {
                let left = patience.saturating_sub(queue.progressed.elapsed());
                match queue.has_bulk_room(lines.len()) {
                    true => break true,
                    false if left.is_zero() => break false,
                    false => {
                        let waited = self.0.room.wait_timeout(queue, left);
                        queue = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            },
        };
        if fits {
            if queue.bytes == 0 {
                queue.progressed = Instant::now();
            }
            queue.bytes = queue.bytes.saturating_add(lines.len());
            queue.items.push_back(Item::Lines(Arc::clone(lines)));
        } else {
            queue.lose(lines);
        }
        let haste = if queue.bytes < MUCH { haste } else { Haste::Now };
        self.0.wake(queue, haste);
    }

    /// Has the thread do something, after everything that was handed over before.
    pub(super) fn run(&self, act: impl FnOnce(&mut O) + Send + 'static) {
        let mut queue = self.0.lock();
        queue.items.push_back(Item::Do(Box::new(act)));
        self.0.wake(queue, Haste::Now);
    }

    /// How many times something could not be written.
    pub(super) fn failed_writes(&self) -> u64 {
        self.0.failed_writes.load(Ordering::Relaxed)
    }
}

impl<O: Output> Drop for Outlet<O> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        self.0.wake(queue, Haste::Now);
    }
}

impl<O> Queue<O> {
    /// One piece is always taken, however large: it would wait for ever.
    fn has_bulk_room(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= MOST_BULK
    }

    fn lose(&mut self, lines: &str) {
        let count = lines.bytes().filter(|byte| *byte == b'\n').count();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match self.items.back_mut() {
            Some(Item::Lost(lost)) => *lost = lost.saturating_add(count),
            _ => self.items.push_back(Item::Lost(count)),
        }
    }
}

/// The thread.
fn serve<O: Output>(shared: &Shared<O>, output: &mut O, lost: &impl Fn(u64) -> String) {
    let mut written = None;
    while let Some(item) = shared.next(written) {
        let mut write = |lines: &str| {
            output.write(lines, &mut || shared.lock().progressed = Instant::now());
            shared.failed_writes.store(output.failed_writes(), Ordering::Relaxed);
        };
        match item {
            Item::Lines(lines) => {
                write(&lines);
                let mut queue = shared.lock();
                queue.bytes = queue.bytes.saturating_sub(lines.len());
                queue.progressed = Instant::now();
                drop(queue);
                shared.room.notify_all();
            }
            Item::Lost(count) => write(&lost(count)),
            Item::Do(act) => act(output),
        }
        written = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
