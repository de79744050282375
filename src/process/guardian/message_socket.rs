//! The guardian's end of the socket, which is its standard input.

use super::super::messages::{FromGuardian, ToGuardian};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::io::{IoSliceMut, stdin};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// Reads and writes lines without a buffer that `poll` would not know of.
pub(super) struct MessageSocket {
    stdin: std::io::Stdin,
    received: Vec<u8>,
    /// How much of it is known to hold no end of line.
    searched: usize,
    /// Came with a message.
    descriptor: Option<RawFd>,
}

impl MessageSocket {
    pub(super) fn new() -> Self {
        Self { stdin: stdin(), received: Vec::new(), searched: 0, descriptor: None }
    }

    /// Reads once; waits if there is nothing. `false`: the worker is gone, or says what no worker says.
    pub(super) fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.receive(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => {
                    self.received.extend(chunk.iter().take(count));
                    return true;
                }
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn receive(&mut self, chunk: &mut [u8]) -> Result<usize, Errno> {
        let mut space = nix::cmsg_space!(RawFd);
        let mut parts = [IoSliceMut::new(chunk)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(self.stdin.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                self.descriptor = descriptors.first().copied();
            }
        }
        Ok(message.bytes)
    }

    /// The descriptor that came with the messages so far. It closes on exec, and is the caller's to close.
    pub(super) fn take_descriptor(&mut self) -> Option<RawFd> {
        self.descriptor.take()
    }

    /// The next complete message that was read. A line that is no message is skipped: both ends are one binary.
    pub(super) fn next(&mut self) -> Option<ToGuardian> {
        loop {
            let unsearched = self.received.get(self.searched..).unwrap_or_default();
            let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.received.len();
                return None;
            };
            let line: Vec<u8> = self.received.drain(..=self.searched.saturating_add(at)).collect();
            self.searched = 0;
            if let Ok(message) = serde_json::from_slice(&line) {
                return Some(message);
            }
        }
    }

    /// Sends a message. That nobody listens any more is learned from [`MessageSocket::fill`].
    pub(super) fn send(&self, message: &FromGuardian) {
        let Ok(mut line) = serde_json::to_vec(message) else { return };
        line.push(b'\n');
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            match nix::unistd::write(&self.stdin, rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for MessageSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdin.as_fd()
    }
}
