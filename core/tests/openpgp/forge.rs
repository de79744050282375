//! OpenPGP packets as a forger writes them: every time, flag, hash and signature can be wrong.
//!
//! Nothing is checked here and nothing is decided. What comes out depends on the arguments alone, so that fixtures
//! made twice are the same bytes.

use pgp::armor::{self, BlockType};
use pgp::composed::KeyType;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, PacketHeader, PubKeyInner, PublicKey, RevocationCode, SecretKey, Signature, SignatureConfig,
    SignatureType, Subpacket, SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{Duration, Fingerprint, KeyDetails, KeyId, KeyVersion, Password, SigningKey, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// What a key may do: bits of the key flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Certify,
    CertifyAndSign,
    Sign,
    Encrypt,
}

impl Use {
    fn flags(self) -> KeyFlags {
        let mut flags = KeyFlags::default();
        match self {
            Self::Certify => flags.set_certify(true),
            Self::CertifyAndSign => {
                flags.set_certify(true);
                flags.set_sign(true);
            }
            Self::Sign => flags.set_sign(true),
            Self::Encrypt => {
                flags.set_encrypt_comms(true);
                flags.set_encrypt_storage(true);
            }
        }
        flags
    }
}

/// A key pair, primary or subkey.
#[derive(Clone)]
pub(crate) struct Key {
    secret: SecretKey,
}

impl Key {
    /// An ed25519 key; the same name and time give the same key.
    pub(crate) fn new(name: &str, created: u32) -> Self {
        Self::of_type(&KeyType::Ed25519Legacy, name, created)
    }

    /// An RSA key of 2048 bits: rpgp neither makes nor checks ed25519 signatures over SHA-1.
    pub(crate) fn rsa(name: &str, created: u32) -> Self {
        Self::rsa_of(2048, name, created)
    }

    /// An RSA key of so many bits.
    pub(crate) fn rsa_of(bits: u32, name: &str, created: u32) -> Self {
        Self::of_type(&KeyType::Rsa(bits), name, created)
    }

    fn of_type(kind: &KeyType, name: &str, created: u32) -> Self {
        let mut seed = [0_u8; 32];
        for (place, byte) in name.bytes().enumerate() {
            seed[place % 32] = seed[place % 32].wrapping_mul(31).wrapping_add(byte);
        }
        let (public, secret) = kind.generate(StdRng::from_seed(seed)).unwrap();
        let created = Timestamp::from_secs(created);
        let inner = PubKeyInner::new(KeyVersion::V4, kind.to_alg(), created, None, public).unwrap();
        Self { secret: SecretKey::new(PublicKey::from_inner(inner).unwrap(), secret).unwrap() }
    }

    /// The same numbers under another date: another key for everybody, without the time that RSA takes.
    pub(crate) fn again(&self, created: u32) -> Self {
        let (public, created) = (self.secret.public_key(), Timestamp::from_secs(created));
        let params = public.public_params().clone();
        let inner = PubKeyInner::new(KeyVersion::V4, public.algorithm(), created, None, params).unwrap();
        let public = PublicKey::from_inner(inner).unwrap();
        Self { secret: SecretKey::new(public, self.secret.secret_params().clone()).unwrap() }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.secret.fingerprint()
    }

    pub(crate) fn id(&self) -> KeyId {
        self.secret.legacy_key_id()
    }

    /// The key packet's body.
    fn body(&self) -> Vec<u8> {
        self.secret.public_key().to_bytes().unwrap()
    }

    /// The key as every signature about it hashes it.
    fn hashed(&self) -> Vec<u8> {
        hashed(&self.body())
    }

    /// What a certification of a user id hashes.
    pub(crate) fn certified(&self, user: &str) -> Vec<u8> {
        certified(&self.body(), user)
    }
}

fn hashed(body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x99];
    bytes.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// What a certification of a user id hashes, of a key packet with this body.
pub(crate) fn certified(body: &[u8], user: &str) -> Vec<u8> {
    let mut bytes = hashed(body);
    bytes.push(0xB4);
    bytes.extend_from_slice(&u32::try_from(user.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(user.as_bytes());
    bytes
}

/// A signature about to be made.
#[derive(Clone)]
pub(crate) struct Sig {
    pub(crate) kind: SignatureType,
    pub(crate) hash: HashAlgorithm,
    pub(crate) made: u32,
    more: Vec<Subpacket>,
    issuer: Option<(Fingerprint, KeyId)>,
}

impl Sig {
    pub(crate) fn new(kind: SignatureType, made: u32) -> Self {
        Self { kind, hash: HashAlgorithm::Sha512, made, more: Vec::new(), issuer: None }
    }

    pub(crate) fn hash(mut self, hash: HashAlgorithm) -> Self {
        self.hash = hash;
        self
    }

    pub(crate) fn with(self, data: SubpacketData) -> Self {
        self.with_subpacket(Subpacket::regular(data).unwrap())
    }

    pub(crate) fn with_subpacket(mut self, subpacket: Subpacket) -> Self {
        self.more.push(subpacket);
        self
    }

    pub(crate) fn usage(self, usage: Use) -> Self {
        self.with(SubpacketData::KeyFlags(usage.flags()))
    }

    /// Seconds after the key's creation; for certifications and documents use [`Sig::lasting`].
    pub(crate) fn key_lasting(self, seconds: u32) -> Self {
        self.with(SubpacketData::KeyExpirationTime(Duration::from_secs(seconds)))
    }

    /// Seconds after the signature's creation.
    pub(crate) fn lasting(self, seconds: u32) -> Self {
        self.with(SubpacketData::SignatureExpirationTime(Duration::from_secs(seconds)))
    }

    pub(crate) fn reason(self, code: RevocationCode) -> Self {
        self.with(SubpacketData::RevocationReason(code, "because".as_bytes().into()))
    }

    /// Claims another issuer than the key that signs.
    pub(crate) fn claiming(mut self, key: &Key) -> Self {
        self.issuer = Some((key.fingerprint(), key.id()));
        self
    }

    /// Signs these bytes, whatever they are.
    pub(crate) fn over(self, bytes: &[u8], signer: &Key) -> Signature {
        let (fingerprint, id) = self.issuer.unwrap_or((signer.fingerprint(), signer.id()));
        let mut config = SignatureConfig::v4(self.kind, signer.secret.algorithm(), self.hash);
        let made = SubpacketData::SignatureCreationTime(Timestamp::from_secs(self.made));
        let hashed = [made, SubpacketData::IssuerFingerprint(fingerprint)];
        let hashed = hashed.map(|data| Subpacket::regular(data).unwrap());
        config.hashed_subpackets = hashed.into_iter().chain(self.more).collect();
        config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(id)).unwrap()];
        let mut hasher = self.hash.new_hasher().unwrap();
        hasher.update(bytes);
        let length = config.hash_signature_data(&mut hasher).unwrap();
        hasher.update(&config.trailer(length).unwrap());
        let digest = hasher.finalize();
        let signature = signer.secret.sign(&Password::empty(), self.hash, &digest).unwrap();
        Signature::from_config(config, [digest[0], digest[1]], signature).unwrap()
    }

    /// About a key itself: direct-key signatures and revocations.
    pub(crate) fn on_key(self, key: &Key, signer: &Key) -> Signature {
        self.over(&key.hashed(), signer)
    }

    /// About a user id.
    pub(crate) fn on_user(self, key: &Key, user: &str, signer: &Key) -> Signature {
        self.over(&key.certified(user), signer)
    }

    /// About a subkey: bindings, back-signatures, revocations.
    pub(crate) fn on_subkey(self, key: &Key, subkey: &Key, signer: &Key) -> Signature {
        self.over(&[key.hashed(), subkey.hashed()].concat(), signer)
    }
}

/// A certificate in the making: packets in the order in which they are added.
#[derive(Clone, Default)]
pub(crate) struct Cert(Vec<u8>);

impl Cert {
    pub(crate) fn new(key: &Key) -> Self {
        Self(packet(6, &key.body()))
    }

    pub(crate) fn signature(self, signature: &Signature) -> Self {
        self.packet(2, &signature.to_bytes().unwrap())
    }

    pub(crate) fn user(self, user: &str) -> Self {
        self.packet(13, user.as_bytes())
    }

    pub(crate) fn subkey(self, key: &Key) -> Self {
        self.packet(14, &key.body())
    }

    pub(crate) fn packet(mut self, tag: u8, body: &[u8]) -> Self {
        self.0.extend_from_slice(&packet(tag, body));
        self
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn armored(&self) -> String {
        armored(BlockType::PublicKey, &self.0)
    }
}

/// A packet with its header in the new format.
pub(crate) fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let header = PacketHeader::new_fixed(tag.into(), u32::try_from(body.len()).unwrap());
    let mut bytes = header.to_bytes().unwrap();
    bytes.extend_from_slice(body);
    bytes
}

/// An armored signature packet.
pub(crate) fn armored_signature(signature: &Signature) -> String {
    armored(BlockType::Signature, &packet(2, &signature.to_bytes().unwrap()))
}

/// Any packets in any armor.
pub(crate) fn armored(kind: BlockType, bytes: &[u8]) -> String {
    let mut text = Vec::new();
    armor::write(&Raw(bytes), kind, &mut text, None, true).unwrap();
    String::from_utf8(text).unwrap()
}

struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        Ok(writer.write_all(self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}

/// The text as a clear-signed document's signature hashes it: no blanks at line ends, CRLF between lines, and none
/// after the last.
pub(crate) fn canonical(text: &str) -> Vec<u8> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let lines = text.split('\n').map(|line| line.trim_end_matches([' ', '\t', '\r']));
    lines.collect::<Vec<_>>().join("\r\n").into_bytes()
}

/// A clear-signed document around any signature.
pub(crate) fn clear_signed(text: &str, hash: &str, signature: &str) -> String {
    let mut document = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: {hash}\n\n");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if line.starts_with('-') {
            document.push_str("- ");
        }
        document.push_str(line);
        document.push('\n');
    }
    document + signature
}
