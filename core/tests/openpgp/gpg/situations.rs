//! The situations: certificates and documents in every state that a key can be in, of primary keys and of subkeys.

use crate::forge::{Cert, Key, Sig, Use, armored_signature, canonical, clear_signed};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, SignatureType, SubpacketData};

pub(crate) const DAY: u32 = 86_400;
/// Keys are made on 2025-01-01.
pub(crate) const CREATED: u32 = 1_735_689_600;
/// They are bound and certified a day later.
pub(crate) const BOUND: u32 = CREATED + DAY;
/// Documents are signed on 2026-01-01.
pub(crate) const MADE: u32 = CREATED + 365 * DAY;
/// Both sides judge on 2026-06-01.
pub(crate) const NOW: u32 = MADE + 151 * DAY;
pub(crate) const TEXT: &str = "{\n  \"chainOfTrustVersion\": 1\n}\n";

/// Which key of the certificate the situation is about, and signs the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Primary,
    Subkey,
}

/// A certificate, and a document in both forms that is signed in its name.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) certificate: Vec<u8>,
    /// Hex, upper case.
    pub(crate) fingerprint: String,
    pub(crate) clear_signed: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The states that are forged; gpg makes some of them, too (`made`).
const STATES: &[&str] = &[
    "valid",
    "expired",
    "expired-before",
    "revoked",
    "superseded",
    "retired-before",
    "no-sign-flag",
    "no-back-signature",
    "wrong-key",
    "unknown-key",
    "sha1-own",
    "sha1-document",
    "sha1-certification",
    "uncertified",
    "future-key",
    "future-document",
];

/// Who certifies for the `valid` role. The own key trusts all of them.
pub(crate) struct Keepers {
    pub(crate) good: Key,
    /// For certifications over SHA-1.
    pub(crate) rsa: Key,
    pub(crate) expired: Key,
    pub(crate) revoked: Key,
    /// May sign, but not certify.
    pub(crate) signer: Key,
}

impl Keepers {
    pub(crate) fn new() -> Self {
        Self {
            good: Key::new("the keeper's", CREATED),
            rsa: Key::rsa("the keeper's RSA", CREATED),
            expired: Key::new("a keeper's that expired", CREATED),
            revoked: Key::new("a keeper's that is revoked", CREATED),
            signer: Key::new("a keeper's that only signs", CREATED),
        }
    }

    fn all(&self) -> [&Key; 5] {
        [&self.good, &self.rsa, &self.expired, &self.revoked, &self.signer]
    }

    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        let plain = || Sig::new(SignatureType::CertPositive, CREATED).usage(Use::CertifyAndSign);
        let own = |start: Cert, key: &Key, name: &str, sig: Sig| {
            let user = format!("{name} <keeper@example.com>");
            start.user(&user).signature(&sig.on_user(key, &user, key)).bytes().to_vec()
        };
        let revocation =
            Sig::new(SignatureType::KeyRevocation, MADE + DAY).reason(RevocationCode::KeyCompromised);
        let signing = Sig::new(SignatureType::CertPositive, CREATED).usage(Use::Sign);
        let revoked = Cert::new(&self.revoked).signature(&revocation.on_key(&self.revoked, &self.revoked));
        vec![
            own(Cert::new(&self.good), &self.good, "keeper", plain()),
            own(Cert::new(&self.rsa), &self.rsa, "keeper with RSA", plain()),
            own(Cert::new(&self.expired), &self.expired, "expired keeper", plain().key_lasting(400 * DAY)),
            own(revoked, &self.revoked, "revoked keeper", plain()),
            own(Cert::new(&self.signer), &self.signer, "signing keeper", signing),
        ]
    }

    pub(crate) fn fingerprints(&self) -> Vec<String> {
        self.all().iter().map(|key| hex(&key.fingerprint())).collect()
    }
}

pub(crate) fn hex(fingerprint: &pgp::types::Fingerprint) -> String {
    fingerprint.to_string().to_uppercase()
}

/// Every state of the primary key and of the subkey.
pub(crate) fn forged(keepers: &Keepers) -> Vec<Subject> {
    let rsa = [Key::rsa("one RSA", CREATED), Key::rsa("another RSA", CREATED)];
    let all = STATES.iter().flat_map(|state| [(*state, Place::Primary), (*state, Place::Subkey)]);
    all.enumerate().map(|(number, (state, place))| forge(state, place, number, &rsa, keepers)).collect()
}

/// A certificate with a signing subkey; `state` is that of the key in `place`, everything else is in order.
fn forge(state: &str, place: Place, number: usize, rsa: &[Key; 2], keepers: &Keepers) -> Subject {
    let name = format!("{state}, {}", format!("{place:?}").to_lowercase());
    let is = |of: Place, wanted: &str| place == of && state == wanted;
    let both = |wanted: &str| state == wanted;
    // of each pair of numbers another date makes another key
    let dated = |created: u32| created + u32::try_from(number).unwrap();
    let created = if is(Place::Primary, "future-key") { NOW + 30 * DAY } else { CREATED };
    let sub_created = if both("future-key") { NOW + 30 * DAY } else { CREATED };
    let (key, sub) = if state.starts_with("sha1") {
        (rsa[0].again(dated(created)), rsa[1].again(dated(sub_created)))
    } else {
        (Key::new(&format!("{name} 1"), dated(created)), Key::new(&format!("{name} 2"), dated(sub_created)))
    };
    let old = |wanted: bool| if wanted { HashAlgorithm::Sha1 } else { HashAlgorithm::Sha256 };
    let user = format!("{name} <worker@example.com>");

    let flags = if is(Place::Primary, "no-sign-flag") { Use::Certify } else { Use::CertifyAndSign };
    let own =
        Sig::new(SignatureType::CertPositive, dated(created) + 1).hash(old(is(Place::Primary, "sha1-own")));
    let own = lasting(own.usage(flags), state, place == Place::Primary);
    let mut cert = Cert::new(&key);
    if place == Place::Primary {
        cert = revoked(cert, state, SignatureType::KeyRevocation, |sig| sig.on_key(&key, &key));
    }
    cert = cert.user(&user).signature(&own.on_user(&key, &user, &key));
    let certification = Sig::new(SignatureType::CertGeneric, BOUND.max(dated(created) + 2));
    match state {
        "uncertified" => {}
        "sha1-certification" => {
            let sig = certification.hash(HashAlgorithm::Sha1).on_user(&key, &user, &keepers.rsa);
            cert = cert.signature(&sig);
        }
        _ => cert = cert.signature(&certification.on_user(&key, &user, &keepers.good)),
    }

    let bound = BOUND.max(dated(sub_created) + 1);
    let usage = if is(Place::Subkey, "no-sign-flag") { Use::Encrypt } else { Use::Sign };
    let mut binding = Sig::new(SignatureType::SubkeyBinding, bound).usage(usage);
    if !both("no-back-signature") {
        let back = Sig::new(SignatureType::KeyBinding, bound).hash(old(is(Place::Subkey, "sha1-own")));
        let back = back.on_subkey(&key, &sub, &sub);
        binding = binding.with(SubpacketData::EmbeddedSignature(Box::new(back)));
    }
    let binding = lasting(binding, state, place == Place::Subkey).hash(old(is(Place::Subkey, "sha1-own")));
    cert = cert.subkey(&sub).signature(&binding.on_subkey(&key, &sub, &key));
    if place == Place::Subkey {
        cert = revoked(cert, state, SignatureType::SubkeyRevocation, |sig| sig.on_subkey(&key, &sub, &key));
    }

    let signer = if place == Place::Primary { &key } else { &sub };
    let made = match state {
        "future-document" => NOW + 30 * DAY,
        "future-key" => NOW + 60 * DAY,
        _ => MADE,
    };
    let sign = |kind, bytes: &[u8]| {
        let sig = Sig::new(kind, made).hash(old(both("sha1-document")));
        armored_signature(&match state {
            "wrong-key" => sig.claiming(signer).over(bytes, &Key::new("a stranger's", CREATED)),
            "unknown-key" => sig.over(bytes, &Key::new("a stranger's", CREATED)),
            _ => sig.over(bytes, signer),
        })
    };
    let hash = if both("sha1-document") { "SHA1" } else { "SHA256" };
    Subject {
        name,
        fingerprint: hex(&key.fingerprint()),
        certificate: cert.bytes().to_vec(),
        clear_signed: clear_signed(TEXT, hash, &sign(SignatureType::Text, &canonical(TEXT))).into_bytes(),
        signature: sign(SignatureType::Binary, TEXT.as_bytes()).into_bytes(),
    }
}

/// The expiry of a self-signature or binding, where the state has one.
fn lasting(sig: Sig, state: &str, concerned: bool) -> Sig {
    match state {
        // after the document was signed, before it is judged
        "expired" if concerned => sig.key_lasting(400 * DAY),
        "expired-before" if concerned => sig.key_lasting(300 * DAY),
        _ => sig,
    }
}

/// The revocation, where the state has one.
fn revoked(
    cert: Cert,
    state: &str,
    kind: SignatureType,
    make: impl FnOnce(Sig) -> pgp::packet::Signature,
) -> Cert {
    let (made, reason) = match state {
        "revoked" => (MADE + DAY, RevocationCode::KeyCompromised),
        "superseded" => (MADE + DAY, RevocationCode::KeySuperseded),
        "retired-before" => (MADE - DAY, RevocationCode::KeyRetired),
        _ => return cert,
    };
    cert.signature(&make(Sig::new(kind, made).reason(reason)))
}
