use super::*;

const NUMBERS: [(u8, &str); 9] = [
    (1, "MD5"),
    (2, "SHA1"),
    (3, "RIPEMD160"),
    (8, "SHA256"),
    (9, "SHA384"),
    (10, "SHA512"),
    (11, "SHA224"),
    (12, "SHA3-256"),
    (14, "SHA3-512"),
];

#[test]
fn a_hash_has_a_number_and_a_name() {
    for number in 0..=u8::MAX {
        let name = NUMBERS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
        let hash = Hash::numbered(number);
        assert_eq!(hash.map(|hash| hash.to_string()).as_deref(), name, "{number}");
        assert_eq!(hash, name.and_then(Hash::named), "{number}");
    }
    assert_eq!(Hash::named("sha256"), None);
}

#[test]
fn an_exception_is_for_one_key_one_hash_and_a_time() {
    let fingerprint = |byte: u8| Fingerprint::from_bytes(&[byte; 20]).unwrap();
    let (key, other) = (fingerprint(1), fingerprint(2));
    let made_before = UnixMillis(1_000);
    let exception = HashException { key: key.clone(), hash: Hash::Sha1, made_before };
    let policy = SignaturePolicy { exceptions: vec![exception], ..SignaturePolicy::default() };
    for (hash, by, made, accepted) in [
        (Hash::Sha1, &key, 0, true),
        (Hash::Sha1, &key, 999, true),
        (Hash::Sha1, &key, 1_000, false),
        (Hash::Sha1, &key, 1_001, false),
        (Hash::Sha1, &other, 999, false),
        (Hash::Md5, &key, 999, false),
        (Hash::Md5, &other, 1_001, false),
        (Hash::Sha256, &key, 999, true),
        (Hash::Sha256, &other, 1_001, true),
    ] {
        assert_eq!(policy.accepts(hash, by, UnixMillis(made)), accepted, "{hash} by {by} at {made}");
    }
    assert!(!SignaturePolicy::default().accepts(Hash::Sha1, &key, UnixMillis(0)), "without an exception");
}
