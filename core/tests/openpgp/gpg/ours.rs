//! The other direction: gpg takes our keys, believes our certifications and revocations, and verifies what we sign.

use super::program::{Gpg, Opinion};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use scriptworker_core::openpgp::{
    Certificate, Expiry, Exportable, KeyAlgorithm, KeyOwner, KeyPlan, Keyring, RevocationReason, SecretKey,
    SignaturePolicy,
};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;

const DAY: i64 = 86_400;
const CREATED: i64 = 1_735_689_600;
const NOW: i64 = CREATED + 400 * DAY;

/// Texts that are not the same when they were written, sent and signed.
const TEXTS: &[&str] = &[
    "{\n  \"chainOfTrustVersion\": 1\n}\n",
    "no end of the line",
    "blanks at the end  \t\nof lines \n",
    "- dash\n-----BEGIN PGP SIGNATURE-----\nFrom here\n",
    "an empty line at the end\n\n",
    "\n",
    "Windows\r\nlines\r\n",
    "größer als ASCII: €\n",
];

fn at(seconds: i64) -> UnixMillis {
    UnixMillis(seconds * 1000)
}

/// Randomness that is the same every time.
fn rng() -> StdRng {
    StdRng::seed_from_u64(4)
}

fn make(name: &str, algorithm: KeyAlgorithm) -> SecretKey {
    let owner = KeyOwner::new(name, "", &format!("{name}@example.com")).unwrap();
    let plan = KeyPlan { owner, algorithm, expiry: Expiry::Never };
    // other keys for other names
    let mut rng = StdRng::seed_from_u64(name.bytes().map(u64::from).sum());
    SecretKey::generate(&plan, at(CREATED), &mut rng).unwrap()
}

/// A home in which our key is the own one; the other is certified by it, locally, by us.
struct Bench {
    directory: tempfile::TempDir,
    gpg: Gpg,
    own: SecretKey,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let gpg = Gpg::new(directory.path(), "gpg", u32::try_from(NOW).unwrap());
        let own = make("own", KeyAlgorithm::Ed25519);
        gpg.run(&["--import"], own.to_armored().unwrap().as_bytes());
        Self { directory, gpg, own }
    }

    fn take(&self, certificate: &Certificate) {
        let armored = certificate.to_armored_with_locals();
        self.gpg.run(&["--import-options", "import-local-sigs", "--import"], armored.as_bytes());
        self.gpg.trust(&self.own.fingerprint().to_string(), &[]);
    }

    fn certified(&self, target: &Certificate) -> Certificate {
        self.own.certify(target, Exportable::No, at(CREATED + DAY), &mut rng()).unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) -> std::path::PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn says(&self, document: &str) -> Opinion {
        self.gpg.verify(&self.write("document.asc", document.as_bytes()), None)
    }

    fn says_of(&self, data: &[u8], signature: &str) -> Opinion {
        let signature = self.write("document.sig", signature.as_bytes());
        self.gpg.verify(&self.write("document", data), Some(&signature))
    }
}

fn without_gpg() -> bool {
    let missing = !Gpg::is_installed();
    if missing {
        crate::skip::skip("gpg is not installed");
    }
    missing
}

#[test]
fn gpg_verifies_what_we_sign() {
    if without_gpg() {
        return;
    }
    let bench = Bench::new();
    for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa2048] {
        let worker = make("worker", algorithm);
        bench.take(&bench.certified(worker.certificate()));
        for text in TEXTS {
            let document = worker.clear_sign(text.as_bytes(), at(NOW - DAY), &mut rng()).unwrap();
            let opinion = bench.says(&document);
            assert!(opinion.accepts, "{algorithm:?}, {text:?}: {opinion:#?}\n{document}");
            let signature = worker.sign_detached(text.as_bytes(), at(NOW - DAY), &mut rng()).unwrap();
            let opinion = bench.says_of(text.as_bytes(), &signature);
            assert!(opinion.accepts, "{algorithm:?}, {text:?}, detached: {opinion:#?}");
            let opinion = bench.says_of(format!("{text}.").as_bytes(), &signature);
            assert!(
                !opinion.accepts && opinion.status.iter().any(|line| line.starts_with("BADSIG")),
                "{text:?}"
            );
        }
        // SHA-512 (10): what both generations promise (keyrings.md 2)
        let document = worker.clear_sign(b"text\n", at(NOW - DAY), &mut rng()).unwrap();
        let status = bench.says(&document).status;
        let valid = status.iter().find(|line| line.starts_with("VALIDSIG")).expect("a verdict");
        assert_eq!(valid.split(' ').nth(8), Some("10"), "{valid}");
    }
}

#[test]
fn gpg_believes_our_certifications_and_only_those() {
    if without_gpg() {
        return;
    }
    let bench = Bench::new();
    let (worker, keeper) = (make("worker", KeyAlgorithm::Ed25519), make("keeper", KeyAlgorithm::Rsa2048));
    let document = worker.clear_sign(b"text\n", at(NOW - DAY), &mut rng()).unwrap();
    bench.take(worker.certificate());
    assert!(!bench.says(&document).accepts, "nobody certified it");

    let by_keeper =
        keeper.certify(worker.certificate(), Exportable::Yes, at(CREATED + DAY), &mut rng()).unwrap();
    bench.take(&by_keeper);
    assert!(!bench.says(&document).accepts, "nobody trusts the keeper");
    bench.take(&bench.certified(keeper.certificate()));
    bench.gpg.trust(&bench.own.fingerprint().to_string(), &[keeper.fingerprint().to_string()]);
    assert!(bench.says(&document).accepts, "{:#?}", bench.says(&document));
    let listing = bench.gpg.run(&["--with-colons", "--check-sigs"], b"");
    let listing = String::from_utf8(listing).unwrap();
    let bad = listing.lines().find(|line| line.starts_with("sig:") && !line.starts_with("sig:!:"));
    assert_eq!(bad, None, "{listing}");

    let taken = keeper
        .revoke_certification(&by_keeper, RevocationReason::Retired, "", at(CREATED + 2 * DAY), &mut rng())
        .unwrap();
    bench.take(&taken);
    bench.gpg.trust(&bench.own.fingerprint().to_string(), &[keeper.fingerprint().to_string()]);
    assert!(!bench.says(&document).accepts, "the keeper took it back");
}

#[test]
fn gpg_heeds_our_revocation() {
    if without_gpg() {
        return;
    }
    let bench = Bench::new();
    let worker = make("worker", KeyAlgorithm::Ed25519);
    bench.take(&bench.certified(worker.certificate()));
    let document = worker.clear_sign(b"text\n", at(NOW - DAY), &mut rng()).unwrap();
    assert!(bench.says(&document).accepts);
    let revoked = worker.revoke(RevocationReason::Compromised, "lost", at(NOW - DAY), &mut rng()).unwrap();
    bench.take(&revoked);
    let opinion = bench.says(&document);
    assert!(opinion.status.iter().any(|line| line.starts_with("REVKEYSIG")), "{opinion:#?}");
}

/// Keys go both ways: gpg signs with ours, we with gpg's, locked ones included.
#[test]
fn secret_keys_work_on_the_other_side() {
    if without_gpg() {
        return;
    }
    let bench = Bench::new();
    let passphrase = Secret::new("correct horse");
    let worker = make("worker", KeyAlgorithm::Rsa2048);
    let locked = worker.to_armored_locked(&passphrase, &mut rng()).unwrap();
    // only an import with the right passphrase can be signed with afterwards
    let with = ["--passphrase", passphrase.expose()];
    bench.gpg.run(&[&with[..], &["--import"]].concat(), locked.as_bytes());
    let fingerprint = worker.fingerprint().to_string();
    let text = bench.write("text", TEXTS[0].as_bytes());
    let sign = ["-u", &fingerprint, "--output", "-", "--clear-sign", text.to_str().unwrap()];
    let document = bench.gpg.run(&[&with[..], &sign].concat(), b"");
    let keyring =
        |certificate: &Certificate| Keyring::flat(vec![certificate.clone()], SignaturePolicy::default());
    let signed = keyring(worker.certificate()).verify_clear_signed(&document, at(NOW)).unwrap();
    assert_eq!(signed.body(), TEXTS[0].as_bytes());

    let made = bench.gpg.generate("gpg <gpg@example.com>", "cert,sign", "never");
    bench.gpg.trust(&bench.own.fingerprint().to_string(), std::slice::from_ref(&made));
    let exported = bench.gpg.run(&["--export-secret-keys", &made], b"");
    let theirs = SecretKey::parse(&exported, None).unwrap();
    let document = theirs.clear_sign(TEXTS[0].as_bytes(), at(NOW), &mut rng()).unwrap();
    bench.take(&bench.own.certify(theirs.certificate(), Exportable::No, at(NOW), &mut rng()).unwrap());
    let opinion = bench.says(&document);
    assert!(opinion.accepts, "{opinion:#?}");
}
