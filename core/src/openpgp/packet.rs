//! Packet framing (RFC 9580 4.2): where each packet starts and ends, without looking into it.
//!
//! Only what keys and signatures consist of is read: packets whose length is known. Partial and indeterminate lengths
//! belong to streamed messages and are refused, as are packets that reach beyond the end.

use pgp::packet::PacketHeader;
use pgp::types::PacketLength;

/// What is wrong with a sequence of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// A byte that begins no packet.
    #[error("read the packet at byte {at}: it has no packet header")]
    Header {
        /// Counted from 0, in the decoded bytes.
        at: usize,
    },
    /// The packet's length is left open, or reaches beyond the end.
    #[error("read the packet at byte {at}: its length is open or reaches beyond the end")]
    Length {
        /// Counted from 0, in the decoded bytes.
        at: usize,
    },
    /// A packet of a type that has no place here.
    #[error("read the packet at byte {at}: a packet of type {tag} does not belong here")]
    Unexpected {
        /// Counted from 0, in the decoded bytes.
        at: usize,
        /// The packet type of RFC 9580 5.
        tag: u8,
    },
    /// The content does not fit the type.
    #[error("read the packet at byte {at}: its content is malformed or of an unknown version")]
    Content {
        /// Counted from 0, in the decoded bytes.
        at: usize,
    },
}

/// One packet, borrowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawPacket<'a> {
    /// Where it starts.
    pub at: usize,
    pub tag: u8,
    /// Header and body.
    pub whole: &'a [u8],
    pub body: &'a [u8],
}

impl RawPacket<'_> {
    /// The header in the form that the parsers of the packets want.
    pub(super) fn header(&self) -> Result<PacketHeader, PacketError> {
        PacketHeader::try_from_reader(self.whole).map_err(|_| PacketError::Header { at: self.at })
    }
}

/// The packets of a sequence, one after the other; after an error, none.
pub(super) struct Packets<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Packets<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    fn read(&self, rest: &'a [u8]) -> Result<RawPacket<'a>, PacketError> {
        let at = self.at;
        let mut after = rest;
        let header = PacketHeader::try_from_reader(&mut after).map_err(|_| PacketError::Header { at })?;
        let PacketLength::Fixed(length) = header.packet_length() else {
            return Err(PacketError::Length { at });
        };
        let length = usize::try_from(length).map_err(|_| PacketError::Length { at })?;
        let (body, _) = after.split_at_checked(length).ok_or(PacketError::Length { at })?;
        let size = rest.len() - after.len() + length;
        let whole = rest.get(..size).ok_or(PacketError::Length { at })?;
        Ok(RawPacket { at, tag: header.tag().into(), whole, body })
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<RawPacket<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.all.get(self.at..).filter(|rest| !rest.is_empty())?;
        let packet = self.read(rest);
        self.at = match &packet {
            Ok(packet) => self.at + packet.whole.len(),
            Err(_) => self.all.len(),
        };
        Some(packet)
    }
}

/// The packet types that matter here.
pub(super) mod tag {
    pub(in super::super) const SIGNATURE: u8 = 2;
    pub(in super::super) const SECRET_KEY: u8 = 5;
    pub(in super::super) const PUBLIC_KEY: u8 = 6;
    pub(in super::super) const SECRET_SUBKEY: u8 = 7;
    pub(in super::super) const MARKER: u8 = 10;
    pub(in super::super) const TRUST: u8 = 12;
    pub(in super::super) const USER_ID: u8 = 13;
    pub(in super::super) const PUBLIC_SUBKEY: u8 = 14;
    pub(in super::super) const USER_ATTRIBUTE: u8 = 17;
    pub(in super::super) const PADDING: u8 = 21;
    /// From here on, unknown packets may be passed over (RFC 9580 4.3).
    pub(in super::super) const NOT_CRITICAL: u8 = 40;
}
