//! The worker's end of the guardian's socket.

use super::messages::{FromGuardian, KilledBy, Launch, NotStarted, StopSignal, ToGuardian};
use super::reaper;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;
use scriptworker_core::run::ScriptExit;
use scriptworker_core::time::BootMillis;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};

/// A script that was handed to its guardian.
#[derive(Debug)]
pub struct Running {
    /// Resolves when the script runs.
    pub started: Started,
    /// Resolves when the script has ended.
    pub exit: Exit,
    /// To stop it, move its deadline and sweep up after it.
    pub control: Control,
    /// The read end of the pipe that is the script's stdout and stderr.
    pub output: OwnedFd,
    /// The guardian's process id.
    pub guardian_pid: u32,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptEnd {
    /// It ran and ended.
    Exited {
        /// The decoded end.
        exit: ScriptExit,
        /// The wait status as the kernel gave it, core dump bit included.
        raw: i32,
        /// Set when the guardian ended it by itself.
        by: Option<KilledBy>,
    },
    /// It never ran.
    NotStarted(NotStarted),
    /// The guardian died before it could tell: what became of the script is unknown, and processes of it may live.
    GuardianLost,
}

/// Resolves to the script's process id (and session and process group id), or to `None` if it never ran.
#[derive(Debug)]
pub struct Started(oneshot::Receiver<u32>);

impl Future for Started {
    type Output = Option<u32>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<u32>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

/// Resolves to the end of the script, whether or not the output has been read.
#[derive(Debug)]
pub struct Exit(oneshot::Receiver<ScriptEnd>);

impl Future for Exit {
    type Output = ScriptEnd;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ScriptEnd> {
        // The sender goes unused only when the connection ends without a word, or with the whole runtime.
        Pin::new(&mut self.0).poll(context).map(|end| end.unwrap_or(ScriptEnd::GuardianLost))
    }
}

/// There is no guardian any more to carry this out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reach the guardian: it has ended")]
pub struct GuardianGone;

/// Tells the guardian what to do. When the last clone is dropped, the guardian kills everything and leaves.
#[derive(Debug, Clone)]
pub struct Control(mpsc::UnboundedSender<Command>);

/// Unbounded, because these are a handful of messages a run, and a caller that ends a script must never wait.
enum Command {
    Launch(Launch, Option<OwnedFd>),
    Tell(ToGuardian),
    Sweep(oneshot::Sender<u32>),
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Control {
    /// Asks the script to end: each signal in turn to its process group with a grace after it, then SIGKILL to
    /// everything below the guardian. Does nothing when a stop is under way or the script has ended.
    pub fn stop(&self, signals: &[StopSignal], grace: Duration) -> Result<(), GuardianGone> {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.tell(ToGuardian::Stop { signals: signals.to_vec(), grace_ms })
    }

    /// Kills the script and everything below the guardian at once.
    pub fn kill(&self) -> Result<(), GuardianGone> {
        self.tell(ToGuardian::Kill)
    }

    /// Moves the deadline, in either direction.
    pub fn deadline(&self, deadline: BootMillis) -> Result<(), GuardianGone> {
        self.tell(ToGuardian::Deadline(deadline))
    }

    /// Kills whatever is left below the guardian and returns how many processes could not be killed (within a few
    /// seconds). Zero: none of the script's processes is alive.
    pub async fn sweep(&self) -> Result<u32, GuardianGone> {
        let (answer, swept) = oneshot::channel();
        self.0.send(Command::Sweep(answer)).map_err(|_| GuardianGone)?;
        swept.await.map_err(|_| GuardianGone)
    }

    fn tell(&self, message: ToGuardian) -> Result<(), GuardianGone> {
        self.0.send(Command::Tell(message)).map_err(|_| GuardianGone)
    }
}

/// A guardian that has nothing to do yet. Dropped, it leaves.
pub(super) struct Waiting {
    running: Running,
}

/// Takes over the socket of a guardian that was just started.
pub(super) fn connect(stream: UnixStream, guardian: Pid, output: OwnedFd) -> Waiting {
    let (commands, inbox) = mpsc::unbounded_channel();
    let (started_tx, started) = oneshot::channel();
    let (end_tx, end) = oneshot::channel();
    let news = News { started: Some(started_tx), end: Some(end_tx), sweeps: VecDeque::new(), alone: false };
    tokio::spawn(async move {
        let broken = converse(stream, inbox, news).await.err();
        match tokio::task::spawn_blocking(move || reaper::wait_for(guardian)).await {
            Ok(Some(0)) => tracing::debug!(%guardian, "guardian ended, nothing is left of the script"),
            status => tracing::warn!(%guardian, ?status, ?broken, "guardian ended badly"),
        }
    });
    Waiting {
        running: Running {
            started: Started(started),
            exit: Exit(end),
            control: Control(commands),
            output,
            guardian_pid: u32::try_from(guardian.as_raw()).unwrap_or(0),
        },
    }
}

impl Waiting {
    pub(super) fn pid(&self) -> u32 {
        self.running.guardian_pid
    }

    /// Whether it has ended meanwhile.
    pub(super) fn is_gone(&self) -> bool {
        self.running.control.0.is_closed()
    }

    /// Tells it what to run.
    pub(super) fn launch(self, launch: Launch, credentials: Option<OwnedFd>) -> Running {
        // a guardian that has just ended is noticed by who waits for the script
        let _ = self.running.control.0.send(Command::Launch(launch, credentials));
        self.running
    }
}

/// Who waits for what.
struct News {
    started: Option<oneshot::Sender<u32>>,
    end: Option<oneshot::Sender<ScriptEnd>>,
    sweeps: VecDeque<oneshot::Sender<u32>>,
    /// The script has ended and left no process behind.
    alone: bool,
}

impl News {
    /// Passes a message on. Nobody waiting any more is fine everywhere.
    fn pass_on(&mut self, message: FromGuardian) {
        match message {
            FromGuardian::Started { pid } => {
                if let Some(started) = self.started.take() {
                    let _ = started.send(pid);
                }
            }
            FromGuardian::NotStarted(failure) => self.ended(ScriptEnd::NotStarted(failure)),
            FromGuardian::Ended { raw, by, alone } => {
                self.alone = alone;
                self.ended(ScriptEnd::Exited { exit: ScriptExit::from_wait_status(raw), raw, by });
            }
            FromGuardian::Empty { survivors } => {
                if let Some(answer) = self.sweeps.pop_front() {
                    let _ = answer.send(survivors);
                }
            }
        }
    }

    fn ended(&mut self, end: ScriptEnd) {
        self.started = None;
        if let Some(waiting) = self.end.take() {
            let _ = waiting.send(end);
        }
    }
}

/// Carries messages both ways until the guardian closes its end. An error is a broken connection, which means the
/// same: dropping `news` tells everybody who waits.
async fn converse(
    stream: UnixStream,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    mut news: News,
) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    // Gone once no `Control` is left: the guardian then reads an end of file, but can still say how it went.
    let mut writer = Some(writer);
    let mut lines = BufReader::new(reader).lines();
    let mut told = Ok(());
    loop {
        if told.is_err() {
            // The guardian reads no more; what it said before may still be there to be read.
            writer = None;
            told = Ok(());
        }
        tokio::select! {
            command = inbox.recv(), if writer.is_some() => match command {
                Some(Command::Launch(launch, credentials)) => {
                    told = send_with(&mut writer, &ToGuardian::Launch(launch), credentials).await;
                }
                Some(Command::Tell(message)) => told = send(&mut writer, &message).await,
                Some(Command::Sweep(answer)) if news.alone => drop(answer.send(0)),
                Some(Command::Sweep(answer)) => {
                    news.sweeps.push_back(answer);
                    told = send(&mut writer, &ToGuardian::Sweep).await;
                }
                None => writer = None,
            },
            line = lines.next_line() => match line? {
                Some(line) => news.pass_on(serde_json::from_str(&line)?),
                None => return Ok(()),
            },
        }
    }
}

async fn send(writer: &mut Option<OwnedWriteHalf>, message: &ToGuardian) -> io::Result<()> {
    send_with(writer, message, None).await
}

/// Sends a message, and a descriptor with it.
async fn send_with(
    writer: &mut Option<OwnedWriteHalf>,
    message: &ToGuardian,
    descriptor: Option<OwnedFd>,
) -> io::Result<()> {
    let Some(writer) = writer else { return Ok(()) };
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut rest = line.as_slice();
    if let Some(descriptor) = &descriptor {
        let stream: &UnixStream = writer.as_ref();
        // it goes with the first bytes, however many of them there is room for
        let sent = stream.async_io(Interest::WRITABLE, || send_part(stream, rest, descriptor)).await?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    writer.write_all(rest).await
}

fn send_part(stream: &UnixStream, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<usize> {
    let descriptors = [descriptor.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let parts = [IoSlice::new(bytes)];
    Ok(sendmsg::<()>(stream.as_raw_fd(), &parts, &rights, MsgFlags::MSG_NOSIGNAL, None)?)
}
