//! The guardian's loop: messages, children, time.

use super::super::boot_now;
use super::super::messages::{FromGuardian, KilledBy, NotStarted, StopSignal, ToGuardian};
use super::message_socket::MessageSocket;
use super::tree;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};
use scriptworker_core::time::BootMillis;
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long one sweep goes on before it counts survivors.
const SWEEP_MS: u64 = 5_000;
/// How long a sweep waits for a child before it kills again.
const SWEEP_ROUND_MS: u16 = 20;
/// How many sweeps an abandoned guardian makes before it gives up on processes that cannot be killed.
const LAST_SWEEPS: u32 = 12;

/// The farthest time that the timer is set to (it is set again after every message): 30,000 years after boot.
const FARTHEST_MS: u64 = 1 << 50;

/// All that the guardian knows.
pub(super) struct Watch {
    socket: MessageSocket,
    children: SignalFd,
    timer: TimerFd,
    /// The script, until it is reaped: nothing else may be signalled by number.
    script: Option<Pid>,
    by: Option<KilledBy>,
    deadline: Option<BootMillis>,
    stop: Option<Stop>,
}

/// A stop under way.
struct Stop {
    signals: VecDeque<StopSignal>,
    grace_ms: u64,
    next_at: BootMillis,
}

impl Watch {
    pub(super) fn new(socket: MessageSocket, deadline: Option<BootMillis>) -> Result<Self, Errno> {
        let mut child = SigSet::empty();
        child.add(Signal::SIGCHLD);
        Ok(Self {
            socket,
            children: SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
            timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?,
            script: None,
            by: None,
            deadline,
            stop: None,
        })
    }

    /// Watches until the worker's end is closed; returns how many processes could not be killed.
    pub(super) fn run(mut self, started: Result<Pid, NotStarted>) -> u32 {
        match started {
            Ok(pid) => {
                self.script = Some(pid);
                self.socket.send(&FromGuardian::Started { pid: pid.as_raw().unsigned_abs() });
            }
            Err(failure) => self.socket.send(&FromGuardian::NotStarted(failure)),
        }
        loop {
            // Messages that were read together with the first one come before any wait.
            while let Some(message) = self.socket.next() {
                self.obey(message);
            }
            self.reap();
            self.on_time();
            self.set_timer();
            match self.wait() {
                Ok(false) | Err(Errno::EINTR) => {}
                Ok(true) if self.socket.fill() => {}
                // The worker is gone; or there is no memory to wait with, and what cannot be watched must not run.
                Ok(true) | Err(_) => return self.leave(),
            }
        }
    }

    /// Waits for anything to happen; `true`: the socket has something to read.
    fn wait(&self) -> Result<bool, Errno> {
        let mut fds = [
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::NONE)?;
        let [socket, ..] = fds;
        // One read is enough: SIGCHLD does not queue, and every child is asked after anyway.
        let _ = self.children.read_signal();
        Ok(socket.any().unwrap_or(true))
    }

    fn obey(&mut self, message: ToGuardian) {
        match message {
            ToGuardian::Launch(_) => {} // only ever the first one
            ToGuardian::Stop { signals, grace_ms } => {
                if self.script.is_some() && self.stop.is_none() {
                    self.stop = Some(Stop { signals: signals.into(), grace_ms, next_at: boot_now() });
                }
            }
            ToGuardian::Kill => {
                self.kill_everything();
            }
            ToGuardian::Deadline(deadline) => self.deadline = Some(deadline),
            ToGuardian::Sweep => {
                let survivors = self.kill_everything();
                self.socket.send(&FromGuardian::Empty { survivors });
            }
        }
    }

    /// Does what is due. The timer only wakes the loop: what counts is the clock, read after the messages, so that
    /// an extension that has arrived is never too late.
    fn on_time(&mut self) {
        let now = boot_now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.by = Some(KilledBy::Deadline);
            self.kill_everything();
        }
        let Some(stop) = self.stop.as_mut().filter(|stop| stop.next_at <= now) else { return };
        match stop.signals.pop_front() {
            Some(signal) => {
                stop.next_at = now.plus(stop.grace_ms);
                self.ask_to_end(signal);
            }
            None => {
                self.stop = None;
                self.kill_everything();
            }
        }
    }

    fn ask_to_end(&self, signal: StopSignal) {
        let Some(script) = self.script else { return };
        let signal = match signal {
            StopSignal::Int => Signal::SIGINT,
            StopSignal::Term => Signal::SIGTERM,
        };
        tree::signal_group(script, signal);
        // A script that is stopped gets the chance to act on it, too.
        tree::signal_group(script, Signal::SIGCONT);
    }

    /// Kills the script's group while its number is safe to use, then everything below this process, until nothing
    /// is left or the time for a sweep is over. Returns how many are still alive.
    fn kill_everything(&mut self) -> u32 {
        let end = boot_now().plus(SWEEP_MS);
        loop {
            if let Some(script) = self.script {
                tree::signal_group(script, Signal::SIGKILL);
            }
            // As subreaper this process inherits every orphan: without a child it has no descendant either, and the
            // usual script leaves none. Listing all processes of the machine to learn that takes milliseconds.
            if !self.reap() {
                return 0;
            }
            tree::kill_descendants(Pid::this());
            if !self.reap() {
                return 0;
            }
            if boot_now() >= end {
                return tree::count_alive(Pid::this()).max(1);
            }
            let mut children = [PollFd::new(self.children.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut children, PollTimeout::from(SWEEP_ROUND_MS));
            let _ = self.children.read_signal();
        }
    }

    /// Reaps whatever has ended and reports the script's end. `false`: there is no child at all.
    fn reap(&mut self) -> bool {
        let mut ended = None;
        let children = loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if self.script.is_some_and(|script| script.as_raw() == pid.as_raw_pid()) {
                        self.script = None;
                        self.stop = None;
                        ended = Some(status);
                    }
                }
                Ok(None) => break true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break false,
            }
        };
        if let Some(status) = ended {
            // The deadline may pass in the moment in which the script ends by itself.
            let by = self.by.filter(|_| status.terminating_signal() == Some(Signal::SIGKILL as i32));
            // What the script left behind is a child of this process by now: none means that there is nothing.
            self.socket.send(&FromGuardian::Ended { raw: status.as_raw(), by, alone: !children });
        }
        children
    }

    fn set_timer(&self) {
        let next = self.deadline.into_iter().chain(self.stop.as_ref().map(|stop| stop.next_at)).min();
        // Neither call can fail for a valid time; if one did, the next message would come this way again.
        let _ = match next {
            Some(BootMillis(at)) => self.timer.set(
                // Zero would disarm it.
                Expiration::OneShot(TimeSpec::from_duration(Duration::from_millis(at.clamp(1, FARTHEST_MS)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            ),
            None => self.timer.unset(),
        };
    }

    /// Nobody is left to decide: everything ends.
    fn leave(mut self) -> u32 {
        let mut survivors = 0;
        for _ in 0..LAST_SWEEPS {
            survivors = self.kill_everything();
            if survivors == 0 {
                break;
            }
        }
        survivors
    }
}
