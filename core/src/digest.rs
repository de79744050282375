//! Digests of artifacts as attestations write them (cot-attacks.md rows 65 to 69): lower-case hexadecimal, of
//! algorithms that still prove something, at least one for each artifact, and every one that is listed has to match.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::fmt;

/// A hash algorithm that proves something today. Any other is refused, known or not: one that is not checked must not
/// stand there as if it were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The digest of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// By SHA-256.
    Sha256([u8; 32]),
    /// By SHA-512.
    Sha512([u8; 64]),
}

/// The digests of one artifact: at least one, each of another algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactDigests(Vec<Digest>);

/// What is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is none at all.
    #[error("expected at least one digest, found none")]
    None,
    /// The algorithm is weak, unknown or not accepted here.
    #[error("expected a digest by one of the accepted algorithms, found one by {found:?}")]
    Algorithm {
        /// The algorithm's name as it stands there (at most 64 characters of it).
        found: String,
    },
    /// The text is no digest of the algorithm: upper case, blanks, another length, a prefix.
    #[error("expected {} lower-case hexadecimal digits for {algorithm}, found {found:?}", algorithm.bytes() * 2)]
    Format {
        /// The algorithm.
        algorithm: HashAlgorithm,
        /// The text (at most 160 characters of it).
        found: String,
    },
    /// The form is not `algorithm:digits`.
    #[error("expected an algorithm, a colon and a digest, found {found:?}")]
    Prefix {
        /// The text (at most 160 characters of it).
        found: String,
    },
    /// Not a map of texts, as JSON.
    #[error("expected a map from algorithms to digests, found {found}")]
    Type {
        /// What is there instead.
        found: &'static str,
    },
}

/// A digest that is not the one of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the digest {expected}, found {found}")]
pub struct DigestMismatch {
    /// The one that is attested.
    pub expected: Digest,
    /// The one that the bytes have.
    pub found: Digest,
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name in attestations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of a name, spelled exactly like that.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The length of its digests.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Digest {
    /// Reads the digits of a digest.
    pub fn parse(algorithm: HashAlgorithm, digits: &str) -> Result<Self, DigestError> {
        let digest = match algorithm {
            HashAlgorithm::Sha256 => decode(digits).map(Self::Sha256),
            HashAlgorithm::Sha512 => decode(digits).map(Self::Sha512),
        };
        digest.ok_or_else(|| DigestError::Format { algorithm, found: cut(digits) })
    }

    /// Reads the form `sha256:digits`.
    pub fn parse_prefixed(text: &str) -> Result<Self, DigestError> {
        let Some((name, digits)) = text.split_once(':') else {
            return Err(DigestError::Prefix { found: cut(text) });
        };
        let algorithm = HashAlgorithm::from_name(name)
            .ok_or_else(|| DigestError::Algorithm { found: name.chars().take(64).collect() })?;
        Self::parse(algorithm, digits)
    }

    /// Which algorithm made it.
    pub const fn algorithm(&self) -> HashAlgorithm {
        match self {
            Self::Sha256(_) => HashAlgorithm::Sha256,
            Self::Sha512(_) => HashAlgorithm::Sha512,
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// The digits alone.
    pub fn digits(&self) -> String {
        let mut digits = String::with_capacity(self.as_bytes().len() * 2);
        let halves = self.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        digits.extend(halves.filter_map(|half| char::from_digit(half.into(), 16)));
        digits
    }
}

/// As `sha256:digits`.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.digits())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse_prefixed(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl ArtifactDigests {
    /// Reads an entry of an attestation's `artifacts`: a map from algorithms to digits. `accepted` are the algorithms
    /// that the configuration allows (`valid_hash_algorithms`).
    pub fn parse(entry: &Value, accepted: &[HashAlgorithm]) -> Result<Self, DigestError> {
        let Value::Object(entry) = entry else {
            return Err(DigestError::Type { found: kind_of(entry) });
        };
        let read = |(name, digits): (&String, &Value)| {
            let algorithm = HashAlgorithm::from_name(name).filter(|algorithm| accepted.contains(algorithm));
            let algorithm =
                algorithm.ok_or_else(|| DigestError::Algorithm { found: name.chars().take(64).collect() })?;
            match digits {
                Value::String(digits) => Digest::parse(algorithm, digits),
                other => Err(DigestError::Type { found: kind_of(other) }),
            }
        };
        let digests: Vec<Digest> = entry.iter().map(read).collect::<Result<_, _>>()?;
        if digests.is_empty() { Err(DigestError::None) } else { Ok(Self(digests)) }
    }

    /// The digests, never none.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.0.iter()
    }

    /// The algorithms that are needed to check them.
    pub fn algorithms(&self) -> impl Iterator<Item = HashAlgorithm> {
        self.0.iter().map(Digest::algorithm)
    }

    /// The digest by an algorithm, if it is listed.
    pub fn get(&self, algorithm: HashAlgorithm) -> Option<&Digest> {
        self.0.iter().find(|digest| digest.algorithm() == algorithm)
    }

    /// Whether every one of them is the digest of the bytes, which `found` tells by algorithm.
    pub fn check(&self, mut found: impl FnMut(HashAlgorithm) -> Digest) -> Result<(), DigestMismatch> {
        for expected in &self.0 {
            let found = found(expected.algorithm());
            if found != *expected {
                return Err(DigestMismatch { expected: *expected, found });
            }
        }
        Ok(())
    }
}

fn decode<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let pairs = digits.as_bytes().chunks_exact(2);
    if pairs.len() != N || !pairs.remainder().is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair else { return None };
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

fn cut(text: &str) -> String {
    text.chars().take(160).collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(entry: Value) -> Result<ArtifactDigests, DigestError> {
        ArtifactDigests::parse(&entry, &HashAlgorithm::ALL)
    }

    #[test]
    fn row_065_an_artifact_without_digest_is_refused() {
        assert_eq!(parse(json!({})), Err(DigestError::None));
        for (entry, found) in [
            (json!([]), "a list"),
            (json!(null), "null"),
            (json!(DIGITS), "a text"),
            (json!({"sha256": null}), "null"),
            (json!({"sha256": {}}), "a map"),
            (json!({"sha256": 1}), "a number"),
        ] {
            assert_eq!(parse(entry), Err(DigestError::Type { found }));
        }
    }

    #[test]
    fn row_066_and_067_weak_and_unknown_algorithms_are_refused_beside_good_ones_too() {
        for name in ["md5", "sha1", "sha224", "SHA256", "sha256 ", "", "sha3-256", "crc32"] {
            let error = Err(DigestError::Algorithm { found: name.to_owned() });
            assert_eq!(parse(json!({name: DIGITS})), error);
            assert_eq!(parse(json!({"sha256": DIGITS, name: DIGITS})), error);
        }
        let only = ArtifactDigests::parse(&json!({"sha256": DIGITS}), &[HashAlgorithm::Sha512]);
        assert_eq!(only, Err(DigestError::Algorithm { found: "sha256".to_owned() }));
    }

    #[test]
    fn row_068_digests_have_one_form() {
        for digits in [
            DIGITS.to_uppercase(),
            DIGITS[..63].to_owned(),
            DIGITS[..62].to_owned(),
            format!("{DIGITS}00"),
            format!("sha256:{DIGITS}"),
            format!(" {DIGITS}"),
            format!("{DIGITS}\n"),
            DIGITS.replace('e', "g"),
            DIGITS.replace("e3", "é"),
            String::new(),
        ] {
            let error = DigestError::Format { algorithm: HashAlgorithm::Sha256, found: digits.clone() };
            assert_eq!(parse(json!({ "sha256": digits })), Err(error));
        }
        assert!(matches!(parse(json!({"sha512": DIGITS})), Err(DigestError::Format { .. })));
        assert_eq!(parse(json!({"sha256": DIGITS})).unwrap().iter().next().unwrap().digits(), DIGITS);
    }

    #[test]
    fn row_069_every_listed_digest_must_match() {
        let sha512 = "ab".repeat(64);
        let digests = parse(json!({"sha256": DIGITS, "sha512": sha512})).unwrap();
        let right = |algorithm| *digests.get(algorithm).unwrap();
        assert_eq!(digests.check(right), Ok(()));
        assert_eq!(digests.algorithms().collect::<Vec<_>>(), HashAlgorithm::ALL);
        for wrong in [Digest::Sha256([0; 32]), Digest::Sha512([0; 64])] {
            let found = |algorithm| if algorithm == wrong.algorithm() { wrong } else { right(algorithm) };
            let expected = right(wrong.algorithm());
            assert_eq!(digests.check(found), Err(DigestMismatch { expected, found: wrong }));
        }
    }

    #[test]
    fn row_113_the_form_with_an_algorithm() {
        let text = format!("sha256:{DIGITS}");
        assert_eq!(Digest::parse_prefixed(&text).unwrap().to_string(), text);
        assert_eq!(
            serde_json::from_value::<Digest>(json!(text)).unwrap(),
            Digest::parse_prefixed(&text).unwrap()
        );
        let sha1 = format!("sha1:{}", &DIGITS[..40]);
        assert_eq!(Digest::parse_prefixed(&sha1), Err(DigestError::Algorithm { found: "sha1".to_owned() }));
        assert!(matches!(Digest::parse_prefixed(DIGITS), Err(DigestError::Prefix { .. })));
        for text in [format!("sha256:sha256:{DIGITS}"), "sha256:".to_owned(), format!("sha256:{DIGITS} ")] {
            assert!(matches!(Digest::parse_prefixed(&text), Err(DigestError::Format { .. })), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_how_many_digits_there_should_be() {
        for (algorithm, digits) in [(HashAlgorithm::Sha256, "64"), (HashAlgorithm::Sha512, "128")] {
            let error = Digest::parse(algorithm, "x").unwrap_err().to_string();
            assert!(error.starts_with(&format!("expected {digits} ")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(bytes in any::<[u8; 32]>()) {
            let digest = Digest::Sha256(bytes);
            prop_assert_eq!(Digest::parse_prefixed(&digest.to_string()), Ok(digest));
        }
    }
}
