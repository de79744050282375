//! Certificates and signatures that are made to cost: the work on each is bounded, and what is good in them still counts
//! (cot-attacks.md 39).
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that tell what they cost")]
#![expect(clippy::disallowed_methods, reason = "it reads what the process cost")]

#[expect(dead_code, clippy::indexing_slicing, reason = "a kit for several tests; digests are long enough")]
mod openpgp_support;

use openpgp_support::forge::{self, Cert, Key, Sig};
use openpgp_support::*;
use pgp::armor::BlockType;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use scriptworker_core::openpgp::{Certificate, CertificateError, Keyring, PacketError, SignaturePolicy};
use scriptworker_core::time::UnixMillis;
use std::sync::Mutex;

const FLOOD: u32 = 150_000;

/// One test at a time: the figures are the process's.
static ALONE: Mutex<()> = Mutex::new(());

/// The processor time of this process, in seconds: waiting for others does not count.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    // Fields 14 and 15 of proc(5), in hundredths.
    (fields.get(11).unwrap() + fields.get(12).unwrap()) / 100.0
}

/// A line of `/proc/self/status`, in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs it and checks what it cost: 2 s of the processor, also without optimisation, and 256 MiB, what it was given
/// included.
fn within_limits<T>(name: &str, given: usize, run: impl FnOnce() -> T) -> T {
    within(2.0, name, given, run)
}

/// The same for work on every byte or small part, which is slow without optimisation: it may take five times as long
/// then.
fn within_limits_optimised<T>(name: &str, given: usize, run: impl FnOnce() -> T) -> T {
    within(if cfg!(debug_assertions) { 10.0 } else { 2.0 }, name, given, run)
}

fn within<T>(most_seconds: f64, name: &str, given: usize, run: impl FnOnce() -> T) -> T {
    // Resets the peak to what is used now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (memory_before, seconds_before) = (memory("VmRSS"), processor_seconds());
    let result = run();
    let seconds = processor_seconds() - seconds_before;
    let bytes = memory("VmHWM").saturating_sub(memory_before) + u64::try_from(given).unwrap();
    println!("{name}: {given} bytes given, {seconds:.2} s, {} MiB", bytes >> 20);
    assert!(seconds < most_seconds, "{name}: {seconds} s");
    assert!(bytes < 256 << 20, "{name}: {bytes} bytes");
    result
}

/// The signature again and again, each time with other last bytes: nobody signed those.
fn flood(cert: Cert, signature: &Signature) -> Cert {
    let mut body = signature.to_bytes().unwrap();
    let end = body.len() - 4;
    (0..FLOOD).fold(cert, |cert, number| {
        body.truncate(end);
        body.extend_from_slice(&number.to_be_bytes());
        cert.packet(2, &body)
    })
}

fn judged(certificate: &[u8], trusted: Option<&Cert>, signer: &Key) -> Option<&'static str> {
    let certificate = Certificate::parse(certificate).unwrap();
    let keyring = match trusted {
        Some(trusted) => Keyring::signed(vec![parse(trusted)], vec![certificate], SignaturePolicy::default()),
        None => Keyring::flat(vec![certificate], SignaturePolicy::default()),
    };
    code(&keyring, signer, SIGNED)
}

#[test]
fn a_flood_of_certifications_changes_nothing() {
    let _alone = ALONE.lock();
    let key = Key::new("signer", MADE);
    let trusted = Key::new("trusted", MADE);
    let stranger = Key::rsa("stranger", MADE);
    let certification = Sig::new(SignatureType::CertGeneric, MADE);
    let cert = flood(Cert::new(&key).user(USER), &certification.clone().on_user(&key, USER, &stranger));
    let cert = cert.signature(&own(&key, MADE)).signature(&certification.on_user(&key, USER, &trusted));
    let binary = cert.bytes();
    let armored = cert.armored();
    let trusted = simple(&trusted);
    let found = within_limits("binary", binary.len(), || judged(binary, Some(&trusted), &key));
    assert_eq!(found, None);
    let found = within_limits_optimised("armored", armored.len(), || {
        judged(armored.as_bytes(), Some(&trusted), &key)
    });
    assert_eq!(found, None);
    let more = flood(cert, &own(&stranger, MADE));
    let error = within_limits("more", more.bytes().len(), || Certificate::parse(more.bytes())).unwrap_err();
    assert_eq!(error, CertificateError::TooManySignatures { limit: Certificate::MOST_SIGNATURES });
}

#[test]
fn a_flood_in_the_name_of_those_who_matter_ends_at_the_limit() {
    let _alone = ALONE.lock();
    let key = Key::new("signer", MADE);
    let trusted = Key::new("trusted", MADE);
    let enemy = Key::new("enemy", MADE);
    let by = |kind, made, who: &Key| Sig::new(kind, made).claiming(who).on_user(&key, USER, &enemy);
    let good =
        simple(&key).signature(&Sig::new(SignatureType::CertGeneric, MADE + 9).on_user(&key, USER, &trusted));
    let revocation = Sig::new(SignatureType::KeyRevocation, MADE).claiming(&key).on_key(&key, &enemy);
    for (name, forged, expected) in [
        ("older than the good one", by(SignatureType::CertPositive, MADE - 1, &key), None),
        ("own, newer", by(SignatureType::CertPositive, MADE + 1, &key), Some("limit")),
        ("own, revoking", by(SignatureType::CertRevocation, MADE + 1, &key), Some("limit")),
        ("by the trusted key, older", by(SignatureType::CertGeneric, MADE, &trusted), None),
        ("by the trusted key, newer", by(SignatureType::CertGeneric, MADE + 10, &trusted), Some("limit")),
        ("revoking the key", revocation, Some("limit")),
    ] {
        let cert = flood(good.clone(), &forged);
        let trusted = simple(&trusted);
        let found = within_limits(name, cert.bytes().len(), || judged(cert.bytes(), Some(&trusted), &key));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn many_and_huge_parts_change_nothing() {
    let _alone = ALONE.lock();
    let key = Key::new("signer", MADE);
    let mut attribute = vec![255];
    attribute.extend_from_slice(&(60_u32 << 20).to_be_bytes());
    attribute.resize(60 << 20, b'x');
    let subkey = Key::new("subkey", MADE);
    let numbers = || 0..FLOOD / 3;
    for (name, cert) in [
        ("a huge user attribute", simple(&key).packet(17, &attribute).signature(&own(&key, MADE))),
        ("a huge user id", simple(&key).packet(13, &attribute).signature(&own(&key, MADE))),
        ("many user ids", numbers().fold(simple(&key), |cert, number| cert.user(&format!("user {number}")))),
        ("the same user id", numbers().fold(simple(&key), |cert, _| cert.user(USER))),
        ("the same subkey", numbers().fold(simple(&key), |cert, _| cert.subkey(&subkey))),
        ("unknown packets", numbers().fold(simple(&key), |cert, _| cert.packet(60, b"?"))),
    ] {
        let found = within_limits(name, cert.bytes().len(), || judged(cert.bytes(), None, &key));
        assert_eq!(found, None, "{name}");
    }
    let cert = numbers().fold(simple(&key), |cert, _| cert.subkey(&subkey));
    assert_eq!(judged(cert.bytes(), None, &subkey), Some("subkey-binding"));
    let huge = vec![b'x'; Certificate::MOST_BYTES + 1];
    let error = Certificate::parse(&huge).unwrap_err();
    assert_eq!(error, CertificateError::TooBig { limit: Certificate::MOST_BYTES, found: huge.len() });
    let blank = vec![b' '; Certificate::MOST_BYTES];
    assert_eq!(Certificate::parse(&blank).unwrap_err(), CertificateError::NoKey);
}

/// The certificate, `count` different user ids of 4 bytes, and what revokes the key.
fn many_small_user_ids(key: &Key, count: u32) -> Vec<u8> {
    let mut bytes = simple(key).bytes().to_vec();
    for number in 0..count {
        bytes.extend_from_slice(&[0xC0 | 13, 4]);
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    let revocation = Sig::new(SignatureType::KeyRevocation, MADE + 1).on_key(key, key);
    bytes.extend_from_slice(&forge::packet(2, &revocation.to_bytes().unwrap()));
    bytes
}

#[test]
fn of_millions_of_small_parts_the_first_count_and_a_revocation_after_them() {
    let _alone = ALONE.lock();
    let key = Key::new("signer", MADE);
    let bytes = many_small_user_ids(&key, 4_000_000);
    let cert = within_limits_optimised("millions of user ids", bytes.len(), || Certificate::parse(&bytes));
    let cert = cert.unwrap();
    assert_eq!((cert.user_ids().len(), cert.user_ids()[0].as_str()), (4096, USER));
    let keyring = Keyring::flat(vec![cert], SignaturePolicy::default());
    assert_eq!(code(&keyring, &key, SIGNED), Some("revoked"));
    let first = Key::new("first subkey", MADE);
    let cert = with_subkey(&key, &first, MADE);
    let cert = (1..=5000).fold(cert, |cert, number| cert.subkey(&first.again(MADE - number)));
    let found = within_limits("many subkeys", cert.bytes().len(), || parse(&cert)).subkeys();
    assert_eq!(found.len(), 4096);
    assert_eq!(judged(cert.bytes(), None, &first), None);
}

#[test]
fn two_flooded_copies_are_one_key_and_neither_hides_a_revocation() {
    let _alone = ALONE.lock();
    let key = Key::new("signer", MADE);
    let stranger = Key::new("stranger", MADE);
    let by_stranger = |made| Sig::new(SignatureType::CertGeneric, made).on_user(&key, USER, &stranger);
    let copy = |made| flood(simple(&key), &by_stranger(made));
    let users = |cert: Cert, name: &str| (0..4000).fold(cert, |cert, n| cert.user(&format!("{name} {n}")));
    let revocation = Sig::new(SignatureType::KeyRevocation, MADE + 1).on_key(&key, &key);
    let good = users(copy(MADE), "one");
    let revoked = users(copy(MADE + 1), "two").signature(&revocation);
    let same = (0..200_000).fold(simple(&key), |cert, _| cert.user(USER));
    for (name, copies, expected) in [
        ("two flooded copies", [&good, &revoked], Some("revoked")),
        ("two flooded copies, turned round", [&revoked, &good], Some("revoked")),
        ("the same user id in one", [&same, &good], None),
    ] {
        let copies = copies.map(parse);
        let given = copies.iter().map(|copy| copy.packets().len()).sum();
        let found = within_limits_optimised(name, given, || {
            code(&Keyring::flat(copies.to_vec(), SignaturePolicy::default()), &key, SIGNED)
        });
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn nothing_is_ever_decompressed() {
    let _alone = ALONE.lock();
    let key = Key::new("signer", MADE);
    // DEFLATE: a stored block, as large as anybody likes; it is the packet's type that ends it.
    let bomb = vec![1; 32 << 20];
    let cert = simple(&key).packet(8, &bomb);
    let at = simple(&key).bytes().len();
    let error =
        within_limits("compressed", cert.bytes().len(), || Certificate::parse(cert.bytes())).unwrap_err();
    assert_eq!(error, CertificateError::Packet(PacketError::Unexpected { at, tag: 8 }));
    let keyring = flat(&simple(&key));
    let signature = forge::armored(BlockType::Signature, &forge::packet(8, &bomb));
    let refusal = within_limits("compressed signature", signature.len(), || {
        keyring.verify_detached(b"x", signature.as_bytes(), at_signed()).unwrap_err()
    });
    assert_eq!(refusal.code(), "limit");
    let small = forge::packet(8, &bomb[..1000]);
    assert_eq!(keyring.verify_detached(b"x", &small, at_signed()).unwrap_err().code(), "format");
}

fn at_signed() -> UnixMillis {
    at(SIGNED)
}
