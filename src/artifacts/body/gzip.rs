//! The gzip form of a file, made on several cores.
//!
//! A file is cut into blocks that are compressed by themselves, each with the end of the block before as its
//! dictionary, and joined into one member (several members would be valid, too, but many readers stop after the
//! first). The cuts depend on the file alone, so the result is the same bytes however many threads there were: a
//! retry and its digest rely on that.

use super::BodyError;
use super::reading::Reading;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

/// As far back as deflate can point.
const DICTIONARY: usize = 32 * 1024;

/// Below this, starting threads costs more than it saves.
const WORTH_THREADS: u64 = 1 << 20;

/// Blocks that a thread has in hand: one that it works on, one that waits.
const IN_HAND: usize = 2;

/// No name, no time, no system: the same file gives the same bytes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Threads of all compressions together, so that many artifacts at once do not multiply threads and memory.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Compresses everything that is read and hands the result over, piece by piece. Blocks. Ends early when nobody
/// wants it any more.
pub(super) fn write(
    read: &mut Reading<'_>,
    wanted: &AtomicBool,
    put: &mut dyn FnMut(&[u8]) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    put(&HEADER)?;
    let reserved = Reserved::take(read.size());
    let crc = thread::scope(|scope| {
        let lanes = (0..reserved.0).map_while(|_| Lane::start(scope)).collect();
        Pipeline { lanes, own: Deflater::new(), sent: 0 }.run(read, wanted, put)
    })?;
    put(&crc.sum().to_le_bytes())?;
    put(&crc.amount().to_le_bytes())
}

/// A share of [`THREADS`].
struct Reserved(usize);

impl Reserved {
    /// As many as there are cores without one; a single one would be no faster than this thread by itself.
    fn take(size: u64) -> Self {
        if size < WORTH_THREADS {
            return Self(0);
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let taken = THREADS.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            (cores.saturating_sub(used) > 1).then_some(cores)
        });
        Self(taken.map_or(0, |used| cores.saturating_sub(used)))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        THREADS.fetch_sub(self.0, Ordering::AcqRel);
    }
}

struct Block {
    /// The end of the block before.
    dictionary: Vec<u8>,
    bytes: Vec<u8>,
    last: bool,
}

/// A thread that compresses every n-th block.
struct Lane<'scope> {
    blocks: SyncSender<Block>,
    compressed: Receiver<Option<Vec<u8>>>,
    _thread: ScopedJoinHandle<'scope, ()>,
}

impl<'scope> Lane<'scope> {
    /// Nothing when the system has no thread left: the others, or the caller, do its work.
    fn start(scope: &'scope Scope<'scope, '_>) -> Option<Self> {
        let (blocks, inbox) = sync_channel::<Block>(IN_HAND);
        let (done, compressed) = sync_channel(IN_HAND);
        let work = move || {
            let mut deflater = Deflater::new();
            // both ends are closed by the reader alone
            while let Ok(block) = inbox.recv() {
                if done.send(deflater.block(&block)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("gzip".to_owned()).spawn_scoped(scope, work).ok()?;
        Some(Self { blocks, compressed, _thread: thread })
    }
}

/// Blocks on their way: handed out in turn, taken back in the same order.
struct Pipeline<'scope> {
    lanes: Vec<Lane<'scope>>,
    /// For a pipeline without lanes.
    own: Deflater,
    sent: usize,
}

impl Pipeline<'_> {
    fn run(
        mut self,
        read: &mut Reading<'_>,
        wanted: &AtomicBool,
        put: &mut dyn FnMut(&[u8]) -> Result<(), BodyError>,
    ) -> Result<Crc, BodyError> {
        let name = read.name;
        let died = || BodyError::Died { name: name.clone() };
        let mut crc = Crc::new();
        let mut dictionary = Vec::new();
        let mut last = false;
        while !last {
            if !wanted.load(Ordering::Relaxed) {
                return Err(BodyError::Abandoned { name: name.clone() });
            }
            let (bytes, at_end) = read.next()?;
            last = at_end;
            crc.update(&bytes);
            let tail = bytes.get(bytes.len().saturating_sub(DICTIONARY)..).unwrap_or_default().to_vec();
            let block = Block { dictionary: std::mem::replace(&mut dictionary, tail), bytes, last };
            if let Some(compressed) = self.push(block).ok_or_else(died)? {
                put(&compressed)?;
            }
        }
        for at in self.sent.saturating_sub(self.window())..self.sent {
            put(&self.pull(at).ok_or_else(died)?)?;
        }
        Ok(crc)
    }

    /// How many blocks are on their way at most.
    fn window(&self) -> usize {
        self.lanes.len() * IN_HAND
    }

    /// Takes a block in; gives the one out that is due. `None` on the outside: a thread has died.
    fn push(&mut self, block: Block) -> Option<Option<Vec<u8>>> {
        if self.lanes.is_empty() {
            return self.own.block(&block).map(Some);
        }
        let due = self.sent.checked_sub(self.window());
        let compressed = match due {
            Some(at) => Some(self.pull(at)?),
            None => None,
        };
        self.lane(self.sent)?.blocks.send(block).ok()?;
        self.sent += 1;
        Some(compressed)
    }

    fn pull(&self, at: usize) -> Option<Vec<u8>> {
        self.lane(at)?.compressed.recv().ok()?
    }

    fn lane(&self, at: usize) -> Option<&Lane<'_>> {
        self.lanes.get(at.checked_rem(self.lanes.len())?)
    }
}

/// One compressor, used again and again.
struct Deflater(Compress);

impl Deflater {
    fn new() -> Self {
        Self(Compress::new(Compression::new(6), false))
    }

    /// A block, ended so that another one can follow at once (or, the last one, as the end of the stream). `None`
    /// would be an inner error of the compressor.
    fn block(&mut self, block: &Block) -> Option<Vec<u8>> {
        self.0.reset();
        if !block.dictionary.is_empty() {
            self.0.set_dictionary(&block.dictionary).ok()?;
        }
        let flush = if block.last { FlushCompress::Finish } else { FlushCompress::Sync };
        let mut rest = block.bytes.as_slice();
        let mut out = Vec::with_capacity(block.bytes.len() / 2 + 1024);
        loop {
            let before = self.0.total_in();
            let status = self.0.compress_vec(rest, &mut out, flush).ok()?;
            let taken = usize::try_from(self.0.total_in().checked_sub(before)?).ok()?;
            rest = rest.get(taken..)?;
            // room that is left means that the flush is complete
            let complete = if block.last {
                status == Status::StreamEnd
            } else {
                rest.is_empty() && out.len() < out.capacity()
            };
            if complete {
                return Some(out);
            }
            out.reserve(out.capacity().max(1024));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        // reads one member only, and fails on anything behind it
        let mut decoder = flate2::bufread::GzDecoder::new(bytes);
        decoder.read_to_end(&mut decoded).unwrap();
        assert!(decoder.into_inner().is_empty());
        decoded
    }

    fn gzip(content: &[u8], lanes: usize) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        crate::fsio::write_atomic(&path, content, 0o600).unwrap();
        let mut file = std::fs::File::open(&path).unwrap();
        let name = scriptworker_core::ids::ArtifactName::parse("public/file.txt").unwrap();
        let mut read = Reading::new(&name, &mut file, content.len() as u64, false);
        let mut out = HEADER.to_vec();
        let crc = thread::scope(|scope| {
            let lanes = (0..lanes).map_while(|_| Lane::start(scope)).collect();
            let pipeline = Pipeline { lanes, own: Deflater::new(), sent: 0 };
            pipeline.run(&mut read, &AtomicBool::new(true), &mut |bytes| {
                out.extend_from_slice(bytes);
                Ok(())
            })
        })
        .unwrap();
        out.extend(crc.sum().to_le_bytes());
        out.extend(crc.amount().to_le_bytes());
        out
    }

    #[test]
    fn the_result_decodes_and_does_not_depend_on_threads() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
        let mut noise: u32 = 1;
        let noise: Vec<u8> = (0..700_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_be_bytes()[0]
            })
            .collect();
        for content in [&b""[..], b"x", &text[..128 * 1024], &text[..128 * 1024 + 1], &text, &noise] {
            let inline = gzip(content, 0);
            assert_eq!(gunzip(&inline), content);
            for lanes in 1..4 {
                assert_eq!(gzip(content, lanes), inline, "{} bytes, {lanes} threads", content.len());
            }
        }
        assert!(gzip(&text, 2).len() < text.len() / 3, "blocks profit from those before");
    }

    #[test]
    fn nobody_waits_for_what_is_not_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        crate::fsio::write_atomic(&path, &[b'a'; 4 << 20], 0o600).unwrap();
        let mut file = std::fs::File::open(&path).unwrap();
        let name = scriptworker_core::ids::ArtifactName::parse("public/file.txt").unwrap();
        let mut read = Reading::new(&name, &mut file, 4 << 20, false);
        let stopped = write(&mut read, &AtomicBool::new(false), &mut |_| Ok(()));
        assert!(matches!(stopped, Err(BodyError::Abandoned { .. })));
    }
}
