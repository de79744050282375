#[path = "../../../tests/openpgp/forge.rs"]
#[expect(dead_code, reason = "a kit for several tests")]
mod forge;

use super::certainly_certifies;
use crate::openpgp::{Certificate, Expiry, Exportable, KeyAlgorithm, KeyOwner, KeyPlan, SecretKey};
use crate::time::UnixMillis;
use forge::{Cert, Key, Sig};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::SignatureType;
use pgp::types::{PacketHeaderVersion, Tag};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const AT: UnixMillis = UnixMillis(1_735_689_600_000);

fn make(seed: u64, algorithm: KeyAlgorithm) -> SecretKey {
    let owner = KeyOwner::new("worker", "", "worker@example.com").unwrap();
    let plan = KeyPlan { owner, algorithm, expiry: Expiry::Never };
    SecretKey::generate(&plan, AT, &mut StdRng::seed_from_u64(seed)).unwrap()
}

/// Of every signature on the one user id: whether `certainly_certifies` says so, and whether rpgp does.
fn verdicts(certificate: &Certificate, signer: &Certificate, user: &str) -> Vec<(bool, bool)> {
    let id = pgp::packet::UserId::from_str(PacketHeaderVersion::New, user).unwrap();
    let (signee, key) = (certificate.primary(), signer.primary());
    let signatures = certificate.users().flat_map(|(_, user)| &user.signatures);
    let judge = |signature: &pgp::packet::Signature| {
        let rpgp = signature.verify_third_party_certification(signee, key, Tag::UserId, &id).is_ok();
        (certainly_certifies(signature, signee, key, &id), rpgp)
    };
    signatures.map(|at| judge(&certificate.signature(*at).unwrap())).collect()
}

#[test]
fn says_yes_to_rsa_certifications_as_rpgp_does() {
    let (worker, keeper) = (make(1, KeyAlgorithm::Rsa2048), make(2, KeyAlgorithm::Rsa2048));
    let certified =
        keeper.certify(worker.certificate(), Exportable::Yes, AT, &mut StdRng::seed_from_u64(3)).unwrap();
    let user = "worker <worker@example.com>";
    assert_eq!(verdicts(&certified, worker.certificate(), user), [(true, true), (false, false)]);
    assert_eq!(verdicts(&certified, keeper.certificate(), user), [(false, false), (true, true)]);
    assert_eq!(verdicts(&certified, keeper.certificate(), "w"), [(false, false), (false, false)]);
}

#[test]
fn leaves_everything_else_to_rpgp() {
    let worker = make(1, KeyAlgorithm::Ed25519);
    let verdicts = verdicts(worker.certificate(), worker.certificate(), "worker <worker@example.com>");
    assert_eq!(verdicts, [(false, true)]);
}

#[test]
fn a_certification_has_its_type_and_a_hash_that_is_known_here() {
    use SignatureType::{Binary, CertCasual, CertGeneric, CertPersona, CertPositive, CertRevocation, Text};
    let (key, user) = (Key::rsa("worker", 1_700_000_000), "worker");
    let certificate = Certificate::parse(Cert::new(&key).bytes()).unwrap();
    let id = pgp::packet::UserId::from_str(PacketHeaderVersion::New, user).unwrap();
    let says_yes = |kind, hash| {
        let signature = Sig::new(kind, 1_700_000_001).hash(hash).on_user(&key, user, &key);
        certainly_certifies(&signature, certificate.primary(), certificate.primary(), &id)
    };
    for kind in [CertGeneric, CertPersona, CertCasual, CertPositive, CertRevocation] {
        assert!(says_yes(kind, HashAlgorithm::Sha512), "{kind:?}");
    }
    // what is signed is the same, but nothing was certified
    for kind in [Binary, Text] {
        assert!(!says_yes(kind, HashAlgorithm::Sha512), "{kind:?}");
    }
    for (hash, expected) in [
        (HashAlgorithm::Sha256, true),
        (HashAlgorithm::Sha384, true),
        (HashAlgorithm::Sha224, false),
        (HashAlgorithm::Sha1, false),
    ] {
        assert_eq!(says_yes(CertGeneric, hash), expected, "{hash:?}");
    }
}
