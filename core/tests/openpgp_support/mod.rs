//! A small world of keys for the tests of the policy.

#[path = "../openpgp/forge.rs"]
pub(crate) mod forge;

use forge::{Cert, Key, Sig, Use};
use pgp::packet::{Signature, SignatureType, SubpacketData};
use scriptworker_core::openpgp::{Certificate, Keyring, SignaturePolicy};
use scriptworker_core::time::UnixMillis;

/// When keys and certifications are made.
pub(crate) const MADE: u32 = 1_700_000_000;
pub(crate) const DAY: u32 = 86_400;
/// When documents are signed.
pub(crate) const SIGNED: u32 = MADE + 10 * DAY;
pub(crate) const USER: &str = "Key <key@example.com>";
pub(crate) const TEXT: &str = "{\"taskId\": \"x\"}\n";

pub(crate) fn at(seconds: u32) -> UnixMillis {
    UnixMillis(i64::from(seconds) * 1000)
}

pub(crate) fn parse(cert: &Cert) -> Certificate {
    Certificate::parse(cert.bytes()).unwrap()
}

pub(crate) fn own(key: &Key, made: u32) -> Signature {
    own_sig(made).on_user(key, USER, key)
}

pub(crate) fn own_sig(made: u32) -> Sig {
    Sig::new(SignatureType::CertPositive, made).usage(Use::CertifyAndSign)
}

pub(crate) fn simple(key: &Key) -> Cert {
    Cert::new(key).user(USER).signature(&own(key, MADE))
}

pub(crate) fn document(signer: &Key) -> String {
    document_with(Sig::new(SignatureType::Text, SIGNED), signer)
}

pub(crate) fn document_with(signature: Sig, signer: &Key) -> String {
    let signature = signature.over(&forge::canonical(TEXT), signer);
    forge::clear_signed(TEXT, "SHA512", &forge::armored_signature(&signature))
}

pub(crate) fn flat(cert: &Cert) -> Keyring {
    Keyring::flat(vec![parse(cert)], SignaturePolicy::default())
}

/// The code with which a document by this key is refused at a time.
pub(crate) fn code(keyring: &Keyring, signer: &Key, seconds: u32) -> Option<&'static str> {
    keyring.verify_clear_signed(document(signer).as_bytes(), at(seconds)).err().map(|refusal| refusal.code())
}

/// A certificate with a signing subkey that is bound both ways.
pub(crate) fn with_subkey(key: &Key, subkey: &Key, made: u32) -> Cert {
    let back = Sig::new(SignatureType::KeyBinding, made).on_subkey(key, subkey, subkey);
    let binding = Sig::new(SignatureType::SubkeyBinding, made)
        .usage(Use::Sign)
        .with(SubpacketData::EmbeddedSignature(Box::new(back)))
        .on_subkey(key, subkey, key);
    simple(key).subkey(subkey).signature(&binding)
}

pub(crate) fn signed(trusted: &[&Cert], valid: &Cert) -> Keyring {
    Keyring::signed(
        trusted.iter().map(|cert| parse(cert)).collect(),
        vec![parse(valid)],
        SignaturePolicy::default(),
    )
}
