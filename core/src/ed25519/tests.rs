use super::trust::{KeyLists, ListProblem, ListedKey, Refusal, Retirement};
use super::*;
use crate::time::UnixMillis;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;

/// RFC 8032, section 7.1: seed, public key, message, signature.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

/// The points of small order, canonical and not, that an attacker would take for `R` or for a key.
const SMALL_ORDER: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

/// The order of the group, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Public keys of upstream's test pairs, as keyrings.md 7 lists them.
const UPSTREAM: [&str; 3] = [
    "8dBv4bbnZ3RsDzQiPKTJ18uo3hq5Rjm94JG6HXzAcBM=",
    "PkI5NslA78wSsYaKNzKq7iD7MLQy7W6wYO/0WFd4tWM=",
    "KxYrV3XAJ3uOyAUX0Wcl1Oeu6GSMrI/5hOn39q8Lf0I=",
];

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn base64(hex: &str) -> String {
    STANDARD.encode(unhex(hex))
}

fn key(seed: u64) -> PrivateKey {
    PrivateKey::generate(&mut StdRng::seed_from_u64(seed))
}

fn signature_format(bytes: &[u8]) -> SignatureFormat {
    Signature::from_bytes(bytes).unwrap_err()
}

#[test]
fn signs_and_verifies_as_rfc_8032_says() {
    for [seed, public, message, signature] in RFC_8032 {
        let private = PrivateKey::parse(&base64(seed)).unwrap();
        let public = PublicKey::parse(&base64(public)).unwrap();
        assert_eq!(private.public(), public);
        let (message, signature) = (unhex(message), Signature::from_bytes(&unhex(signature)).unwrap());
        assert_eq!(private.sign(&message), signature);
        assert_eq!(public.verify(&message, &signature), Ok(()));
        assert_eq!(public.verify(&[&message[..], b"x"].concat(), &signature), Err(BadSignature));
    }
}

#[test]
fn keys_are_read_as_they_are_deployed() {
    let [seed, public, ..] = RFC_8032[0];
    let (seed, public) = (base64(seed), base64(public));
    for (before, after) in [("", ""), ("", "\n"), ("", "\r\n"), (" \n", "\n\n")] {
        let private = PrivateKey::parse(&format!("{before}{seed}{after}")).unwrap();
        assert_eq!(private.public().to_string(), public);
        assert_eq!(private.to_base64().expose(), seed);
        assert_eq!(PublicKey::parse(&format!("{before}{public}{after}")).unwrap(), private.public());
    }
    for known in UPSTREAM {
        assert_eq!(PublicKey::parse(known).unwrap().to_string(), known);
    }
}

#[test]
fn what_is_no_key_is_told_apart() {
    let [seed, public, ..] = RFC_8032[0];
    let (seed, public) = (base64(seed), base64(public));
    let short = STANDARD.encode([7; 31]);
    let pair = STANDARD.encode([7; 64]);
    for (text, expected) in [
        (String::new(), KeyError::Length { found: 0 }),
        (short, KeyError::Length { found: 31 }),
        (pair, KeyError::Length { found: 64 }),
        ("A".repeat(4096), KeyError::Length { found: 3072 }),
        (seed.trim_end_matches('=').to_owned(), KeyError::Padding),
        (seed.replacen('=', "==", 1), KeyError::Padding),
        (format!("{}\n{}", &seed[..20], &seed[20..]), KeyError::Character { at: 21 }),
        (format!("-{}", &seed[1..]), KeyError::Character { at: 1 }),
    ] {
        assert_eq!(PrivateKey::parse(&text).unwrap_err(), expected, "{text:?}");
        assert_eq!(PublicKey::parse(&text).unwrap_err(), expected, "{text:?}");
    }
    let mut off_the_curve = STANDARD.decode(&public).unwrap();
    while VerifyingKey::from_bytes(off_the_curve[..].try_into().unwrap()).is_ok() {
        off_the_curve[0] += 1;
    }
    assert_eq!(PublicKey::parse(&STANDARD.encode(off_the_curve)), Err(KeyError::NoPoint));
}

#[test]
fn row_010_signatures_in_any_other_form_fail() {
    let good = *key(1).sign(b"text").as_bytes();
    let hex: String = good.iter().map(|byte| format!("{byte:02x}")).collect();
    let pem = format!("-----BEGIN SIGNATURE-----\n{}\n-----END SIGNATURE-----\n", STANDARD.encode(good));
    for (bytes, looks) in [
        (Vec::new(), Looks::Raw),
        (good[..63].to_vec(), Looks::Raw),
        ([&good[..], b"\n"].concat(), Looks::Raw),
        ([good, good].concat(), Looks::Raw),
        (hex.into_bytes(), Looks::Hex),
        (STANDARD.encode(good).into_bytes(), Looks::Base64),
        (pem.into_bytes(), Looks::Armor),
    ] {
        assert_eq!(signature_format(&bytes), SignatureFormat { found: bytes.len(), looks });
    }
}

#[test]
fn row_012_malleable_signatures_fail() {
    let private = key(1);
    let good = private.sign(b"text");
    let mut other = *good.as_bytes();
    let mut carry = 0;
    for (byte, order) in other[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(private.public().verify(b"text", &good), Ok(()));
    assert_eq!(private.public().verify(b"text", &Signature(other)), Err(BadSignature), "S + L");
}

#[test]
fn row_012_points_of_small_order_fail() {
    for point in SMALL_ORDER {
        assert_eq!(PublicKey::parse(&base64(point)), Err(KeyError::SmallOrder), "{point}");
        // with S = 0, R = the neutral element and a key of small order, the plain equation holds for some messages
        let mut forged = [0; 64];
        forged[..32].copy_from_slice(&unhex(point));
        assert_eq!(key(1).public().verify(b"text", &Signature(forged)), Err(BadSignature), "{point}");
    }
    // the plain equation holds here, for a key that has a hidden part of small order: strict is stricter
    let weak = PublicKey(VerifyingKey::from_bytes(unhex(SMALL_ORDER[0])[..].try_into().unwrap()).unwrap());
    let mut forged = [0; 64];
    forged[0] = 1;
    let plain = ed25519_dalek::Signature::from_bytes(&forged);
    assert!(ed25519_dalek::Verifier::verify(&weak.0, b"text", &plain).is_ok(), "the attack is a real one");
    assert_eq!(weak.verify(b"text", &Signature(forged)), Err(BadSignature));
}

#[test]
fn a_private_key_never_prints() {
    let private = key(1);
    let seed = private.to_base64();
    assert_eq!(format!("{private:?} {:?} {seed:?}", Some(&private)), "*** Some(***) ***");
    let error = PrivateKey::parse(&format!("-{}", seed.expose())).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&seed.expose()[..8]));
}

proptest! {
    #[test]
    fn every_key_survives_its_text_and_every_change_is_noticed(
        seed in any::<u64>(),
        message in prop::collection::vec(any::<u8>(), 0..200),
        at in 0usize..64,
        flip in 1u8..,
    ) {
        let private = key(seed);
        prop_assert_eq!(PrivateKey::parse(private.to_base64().expose()).unwrap().public(), private.public());
        let good = private.sign(&message);
        prop_assert_eq!(private.public().verify(&message, &good), Ok(()));
        let mut bad = good;
        bad.0[at] ^= flip;
        prop_assert_eq!(private.public().verify(&message, &bad), Err(BadSignature));
    }

    #[test]
    fn no_bytes_panic(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (PrivateKey::parse(&text), PublicKey::parse(&text));
        let _ = Signature::from_bytes(&bytes);
    }
}

// ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const AT: UnixMillis = UnixMillis(1_000);

fn listed(seed: u64) -> ListedKey {
    ListedKey::always(key(seed).public())
}

/// Key 1 and 5 for docker-worker, 2 and 5 for generic-worker, 3 for scriptworker; 4 is known and nobody's.
fn lists() -> KeyLists {
    KeyLists {
        lists: [
            ("docker-worker".to_owned(), vec![listed(1), listed(5)]),
            ("generic-worker".to_owned(), vec![listed(2), listed(5)]),
            ("scriptworker".to_owned(), vec![listed(3)]),
        ]
        .into(),
        shared: [key(5).public()].into(),
        strangers: [key(4).public()].into(),
    }
}

fn verdict(lists: &KeyLists, class: &str, seed: u64) -> Result<(), Refusal> {
    let signature = key(seed).sign(b"text");
    let signed = lists.verify(class, b"text", signature.as_bytes(), AT)?;
    assert_eq!(signed.key(), &key(seed).public());
    Ok(())
}

fn with(change: impl FnOnce(&mut ListedKey)) -> KeyLists {
    let mut lists = lists();
    change(&mut lists.lists.get_mut("docker-worker").unwrap()[0]);
    lists
}

fn code(verdict: Result<(), Refusal>) -> &'static str {
    verdict.map_or_else(|refusal| refusal.code(), |()| "accepted")
}

#[test]
fn a_key_is_good_for_the_lists_it_stands_in() {
    for (class, seed, expected) in [
        ("docker-worker", 1, "accepted"),
        ("docker-worker", 5, "accepted"),
        ("generic-worker", 5, "accepted"),
        ("docker-worker", 3, "wrong-key-class"),
        ("scriptworker", 5, "wrong-key-class"),
        ("docker-worker", 4, "unknown-key"),
        ("docker-worker", 6, "signature"),
        ("unheard-of", 1, "wrong-key-class"),
        ("unheard-of", 6, "unknown-key"),
    ] {
        assert_eq!(code(verdict(&lists(), class, seed)), expected, "{class} {seed}");
    }
    assert_eq!(lists().problems(Some(&key(3))), []);
}

#[test]
fn other_bytes_are_refused() {
    let lists = lists();
    let good = key(1).sign(b"text");
    assert_eq!(
        lists.verify("docker-worker", b"texT", good.as_bytes(), AT),
        Err(Refusal::Signature { tried: 6 })
    );
    assert_eq!(
        lists.verify("docker-worker", b"text", &[*good.as_bytes(); 2].concat(), AT),
        Err(Refusal::Format(SignatureFormat { found: 128, looks: Looks::Raw }))
    );
}

#[test]
fn windows_are_judged_at_the_time_of_the_task() {
    let window = |first: Option<i64>, last: Option<i64>, retired| {
        with(|key| {
            key.not_before = first.map(UnixMillis);
            key.not_after = last.map(UnixMillis);
            key.retired = retired;
        })
    };
    for (first, last, retired, expected) in [
        (None, None, None, "accepted"),
        (Some(1_000), Some(1_000), None, "accepted"),
        (Some(1_001), None, None, "expired-key"),
        (None, Some(999), None, "expired-key"),
        (None, Some(1_000), Some(Retirement::Superseded), "accepted"),
        (None, Some(999), Some(Retirement::Ceased), "expired-key"),
        (None, Some(5_000), Some(Retirement::Compromised), "revoked-key"),
        (None, None, Some(Retirement::Withdrawn), "revoked-key"),
    ] {
        let lists = window(first, last, retired);
        assert_eq!(code(verdict(&lists, "docker-worker", 1)), expected, "{first:?} {last:?} {retired:?}");
    }
}

#[test]
fn of_two_entries_the_revocation_wins_and_else_the_fitting_window() {
    let twice = |second: ListedKey| {
        let mut lists = with(|key| key.not_after = Some(UnixMillis(1)));
        lists.lists.get_mut("docker-worker").unwrap().push(second);
        code(verdict(&lists, "docker-worker", 1))
    };
    assert_eq!(twice(listed(1)), "accepted");
    assert_eq!(twice(ListedKey { not_before: Some(UnixMillis(2_000)), ..listed(1) }), "expired-key");
    assert_eq!(twice(ListedKey { retired: Some(Retirement::Compromised), ..listed(1) }), "revoked-key");
}

#[test]
fn row_016_and_row_017_mistakes_in_the_lists_are_found_at_start() {
    let mut wrong = lists();
    wrong.shared.clear();
    wrong.lists.insert("empty".to_owned(), Vec::new());
    let seed_as_public = PublicKey(
        (0..).map(key).find_map(|private| VerifyingKey::from_bytes(private.0.as_bytes()).ok()).unwrap(),
    );
    let own = PrivateKey(SigningKey::from_bytes(seed_as_public.as_bytes()));
    let script = wrong.lists.get_mut("scriptworker").unwrap();
    script.push(ListedKey::always(seed_as_public));
    script.push(ListedKey { not_before: Some(UnixMillis(2)), not_after: Some(UnixMillis(1)), ..listed(7) });
    script.push(ListedKey { retired: Some(Retirement::Superseded), ..listed(8) });
    let class = || "scriptworker".to_owned();
    assert_eq!(
        wrong.problems(Some(&own)),
        [
            ListProblem::Empty { class: "empty".to_owned() },
            ListProblem::InTwoLists {
                key: key(5).public(),
                first: "docker-worker".to_owned(),
                second: "generic-worker".to_owned()
            },
            ListProblem::PrivateKey { class: class() },
            ListProblem::NeverValid { class: class(), key: key(7).public() },
            ListProblem::NoEnd { class: class(), key: key(8).public() },
        ]
    );
    assert!(!format!("{:?}", wrong.problems(Some(&own))).contains(own.to_base64().expose()));
}

#[test]
fn lists_are_data() {
    let bare = key(1).public().to_string();
    let lists: KeyLists = serde_json::from_value(json!({
        "lists": {"docker-worker": [bare, {
            "key": UPSTREAM[0],
            "not_before": "2026-01-01T00:00:00Z",
            "not_after": "2026-06-01T00:00:00Z",
            "retired": "superseded",
        }]},
        "shared": [UPSTREAM[1]],
    }))
    .unwrap();
    let list = &lists.lists["docker-worker"];
    assert_eq!(list[0], listed(1));
    assert_eq!(list[1].retired, Some(Retirement::Superseded));
    assert_eq!(list[1].not_after, Some(UnixMillis::parse("2026-06-01T00:00:00Z").unwrap()));
    let again: KeyLists = serde_json::from_value(serde_json::to_value(&lists).unwrap()).unwrap();
    assert_eq!(again, lists);
    for wrong in
        [json!({"lists": {"x": ["AAAA"]}}), json!({"lists": {"x": [{"key": UPSTREAM[0], "until": 1}]}})]
    {
        assert!(serde_json::from_value::<KeyLists>(wrong).is_err());
    }
}
