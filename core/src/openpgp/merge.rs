//! Two copies of one certificate become one that has what either has.

use super::Certificate;
use super::packet::{Packets, RawPacket, tag};
use std::collections::HashSet;

/// A packet that signatures follow, and those signatures.
struct Group<'a> {
    head: &'a [u8],
    signatures: Vec<&'a [u8]>,
}

impl Certificate {
    /// This certificate with every user id, subkey and signature of the other added that it does not have. A certificate
    /// of another key changes nothing.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        if self.fingerprint() != other.fingerprint() || self == other {
            return self.clone();
        }
        let mut groups = groups(self.packets());
        for (place, group) in groups_of_other(&groups, other) {
            match place.and_then(|place| groups.get_mut(place)) {
                Some(known) => known.add(group),
                None => groups.push(group),
            }
        }
        // User ids go before subkeys, as every reader wants it.
        let is_subkey = |group: &Group<'_>| kind(group.head) == Some(tag::PUBLIC_SUBKEY);
        let (subkeys, users): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_subkey);
        let mut packets = Vec::with_capacity(self.packets().len() + other.packets().len());
        for group in users.iter().chain(&subkeys) {
            packets.extend_from_slice(group.head);
            group.signatures.iter().for_each(|signature| packets.extend_from_slice(signature));
        }
        Self::parse(&packets).unwrap_or_else(|_| self.clone())
    }
}

impl<'a> Group<'a> {
    fn add(&mut self, other: Group<'a>) {
        let known: HashSet<&[u8]> = self.signatures.iter().copied().collect();
        self.signatures.extend(other.signatures.into_iter().filter(|signature| !known.contains(signature)));
    }
}

fn groups(packets: &[u8]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for packet in Packets::new(packets).flatten() {
        match groups.last_mut() {
            Some(group) if packet.tag == tag::SIGNATURE => group.signatures.push(packet.whole),
            Some(_) | None => groups.push(Group { head: packet.whole, signatures: Vec::new() }),
        }
    }
    groups
}

/// The groups of the other certificate, each with the place of the one here that is about the same.
fn groups_of_other<'a>(known: &[Group<'_>], other: &'a Certificate) -> Vec<(Option<usize>, Group<'a>)> {
    let same = |group: &Group<'_>| known.iter().position(|known| content(known.head) == content(group.head));
    groups(other.packets()).into_iter().map(|group| (same(&group), group)).collect()
}

/// Type and body: the length in front of it can be written in several ways.
fn content(packet: &[u8]) -> Option<(u8, &[u8])> {
    first(packet).map(|packet| (packet.tag, packet.body))
}

fn kind(packet: &[u8]) -> Option<u8> {
    first(packet).map(|packet| packet.tag)
}

fn first(packet: &[u8]) -> Option<RawPacket<'_>> {
    Packets::new(packet).next()?.ok()
}
