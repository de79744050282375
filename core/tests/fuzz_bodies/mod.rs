//! What is done with any bytes: the tests run these over the committed corpus, cargo-fuzz over what it finds.
//!
//! A body panics when something is accepted that must not be, or when what was read is not what is written again.

use scriptworker_core::openpgp::trust::{ExpectedListing, OwnerTrust, parse_list_sigs_output};
use scriptworker_core::openpgp::{Certificate, Keyring, Refusal, SignaturePolicy};
use scriptworker_core::time::UnixMillis;
use std::sync::OnceLock;

/// After the keys of the corpus were made.
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_700_000_000);

const TRUSTED: &[u8] = include_bytes!("../corpus/certificate/trusted.asc");
const WORKER: &[u8] = include_bytes!("../corpus/certificate/worker.asc");
const SUBKEYS: &[u8] = include_bytes!("../corpus/certificate/subkeys.gpg");
/// What the documents of the corpus say.
pub(crate) const DOCUMENT: &[u8] = include_bytes!("../corpus/armor/document.txt");
/// The same, as it is hashed in a clear-signed text.
pub(crate) const CANONICAL: &[u8] =
    b"{\r\n  \"taskId\": \"x\",\r\n  \"tail\": \"blank\"\r\n}\r\n-dash\r\nFrom me";

/// The keys of the corpus that count: one trusted, one certified by it.
pub(crate) fn keyring() -> &'static Keyring {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    KEYRING.get_or_init(|| {
        let key = |bytes: &[u8]| Certificate::parse(bytes).unwrap();
        Keyring::signed(vec![key(TRUSTED), key(SUBKEYS)], vec![key(WORKER)], SignaturePolicy::default())
    })
}

/// A clear-signed text. Nobody but the keys of the corpus can sign, so only their text is ever accepted.
pub(crate) fn clearsign(bytes: &[u8]) -> Result<(), Refusal> {
    let signed = keyring().verify_clear_signed(bytes, NOW)?;
    assert_eq!(signed.text, CANONICAL);
    Ok(())
}

/// A detached signature, armored or not.
pub(crate) fn armor(bytes: &[u8]) -> Result<(), Refusal> {
    keyring().verify_detached(DOCUMENT, bytes, NOW)?;
    Ok(())
}

/// A certificate: what is read is written, and read as the same; judging it ends.
pub(crate) fn certificate(bytes: &[u8]) {
    let Ok(certificate) = Certificate::parse(bytes) else { return };
    let written = certificate.to_armored_with_locals();
    assert_eq!(Certificate::parse(written.as_bytes()).as_ref(), Ok(&certificate));
    let exported = Certificate::parse(certificate.to_armored().as_bytes()).unwrap();
    assert_eq!(exported.fingerprint(), certificate.fingerprint());
    assert_eq!(certificate.merge(&exported).user_ids(), certificate.user_ids());
    // The trusted key certified these, and nobody else can in its name.
    let key = |bytes: &[u8]| Certificate::parse(bytes).unwrap();
    let certified = [key(TRUSTED), key(WORKER), key(SUBKEYS)].map(|key| key.fingerprint().clone());
    let keyring = Keyring::signed(vec![key(TRUSTED)], vec![certificate], SignaturePolicy::default());
    for status in keyring.keys(NOW) {
        assert!(status.state.is_err() || certified.contains(&status.fingerprint));
    }
}

/// A listing of gpg's, and a list of trust.
pub(crate) fn key_listing(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((listing, _)) = parse_list_sigs_output(&text, "a key", &ExpectedListing::default(), NOW) {
        assert_eq!(listing.sig_key_ids.len(), listing.sig_user_ids.len());
    }
    let own = keyring().certificates().next().unwrap().fingerprint().clone();
    let trust = OwnerTrust::new(own, []);
    if trust.verify(&text).is_ok() {
        assert!(text.contains(trust.to_string().trim_end()));
    }
}
