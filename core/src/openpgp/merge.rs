//! Two copies of one certificate become one that has what either has.

use super::Certificate;
use super::packet::{Packets, tag};
use std::collections::{HashMap, HashSet};

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
        let mut groups = Groups::default();
        groups.add(self.packets());
        groups.add(other.packets());
        // User ids go before subkeys, as every reader wants it.
        let is_subkey = |group: &Group<'_>| kind(group.head) == Some(tag::PUBLIC_SUBKEY);
        let (subkeys, users): (Vec<_>, Vec<_>) = groups.all.into_iter().partition(is_subkey);
        let mut packets = Vec::with_capacity(self.packets().len() + other.packets().len());
        for group in users.iter().chain(&subkeys) {
            packets.extend_from_slice(group.head);
            let mut known = HashSet::new();
            for signature in group.signatures.iter().filter(|signature| known.insert(**signature)) {
                packets.extend_from_slice(signature);
            }
        }
        // Without the limits of a file, which both have passed: one copy must not hide what the other revokes.
        Self::from_packets(&packets, usize::MAX).unwrap_or_else(|_| self.clone())
    }
}

/// What two copies have, with each key and user id once.
#[derive(Default)]
struct Groups<'a> {
    all: Vec<Group<'a>>,
    /// By type and body of the head: the length in front of the body can be written in several ways.
    places: HashMap<(u8, &'a [u8]), usize>,
}

impl<'a> Groups<'a> {
    fn add(&mut self, packets: &'a [u8]) {
        let mut place = 0;
        for packet in Packets::new(packets).flatten() {
            if packet.tag != tag::SIGNATURE {
                place = *self.places.entry((packet.tag, packet.body)).or_insert(self.all.len());
                if place == self.all.len() {
                    self.all.push(Group { head: packet.whole, signatures: Vec::new() });
                }
            } else if let Some(group) = self.all.get_mut(place) {
                group.signatures.push(packet.whole);
            }
        }
    }
}

fn kind(packet: &[u8]) -> Option<u8> {
    Some(Packets::new(packet).next()?.ok()?.tag)
}
