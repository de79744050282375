//! The listing of a key and its certifications: made from a certificate, or read from gpg's colon format.

use crate::openpgp::{Certificate, Fingerprint, KeyId};
use crate::time::UnixMillis;
use std::collections::BTreeSet;

/// A simple key (one primary key; of several user ids the last) and who signed its user ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyListing {
    /// The key id of the primary key.
    pub key_id: Option<KeyId>,
    /// The fingerprint; of several the last.
    pub fingerprint: Option<Fingerprint>,
    /// The user id; of several the last.
    pub user_id: Option<String>,
    /// Who signed, in the order of the signatures.
    pub sig_key_ids: Vec<KeyId>,
    /// Their user ids, in the same order.
    pub sig_user_ids: Vec<String>,
}

/// What a listing has to say; what is not given can be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectedListing {
    /// The key id of the primary key.
    pub key_id: Option<KeyId>,
    /// The fingerprint.
    pub fingerprint: Option<Fingerprint>,
    /// The user id.
    pub user_id: Option<String>,
    /// Key ids that have to be among those that signed.
    pub sig_key_ids: BTreeSet<KeyId>,
}

/// Everything that is wrong with a listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("accept the listing of {what}: {}", list(problems))]
pub struct ListingError {
    /// What was listed, in the words of who asked.
    pub what: String,
    /// All of it.
    pub problems: Vec<ListingProblem>,
}

/// One thing that is wrong with a listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingProblem {
    /// The trust database was made for another trust model.
    #[error("line {line} tells of another trust model")]
    TrustModel {
        /// Counted from 1.
        line: usize,
    },
    /// The key is invalid (`i`), disabled (`d`), revoked (`r`) or expired (`e`).
    #[error("line {line} says that the key's validity is {validity:?}")]
    Validity {
        /// Counted from 1.
        line: usize,
        /// The letter.
        validity: char,
    },
    /// The key is disabled.
    #[error("line {line} says that the key is disabled")]
    Disabled {
        /// Counted from 1.
        line: usize,
    },
    /// Something is revoked, or somebody else may revoke it.
    #[error("line {line} tells of a revocation")]
    Revocation {
        /// Counted from 1.
        line: usize,
    },
    /// A key id or fingerprint is none.
    #[error("line {line} has no {expected}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// It is not what was expected.
    #[error("expected the {what} {expected:?}, found {found:?}")]
    Differs {
        /// Which part.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: Option<String>,
    },
    /// Key ids that should be among those that signed are not.
    #[error("not signed by {missing:?}")]
    NotSignedBy {
        /// Those that are missing.
        missing: Vec<KeyId>,
    },
}

/// What in a listing is only worth a warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingWarning {
    /// The trust database is stale.
    #[error("line {line} says that the trust database is stale")]
    Stale {
        /// Counted from 1.
        line: usize,
    },
    /// The trust database has expired.
    #[error("line {line} says that the trust database expired at {at}")]
    Expired {
        /// Counted from 1.
        line: usize,
        /// When.
        at: UnixMillis,
    },
    /// A record of a type that is not known.
    #[error("line {line} has the record type {record:?}, which is not known here")]
    Record {
        /// Counted from 1.
        line: usize,
        /// The type (at most 20 characters).
        record: String,
    },
}

fn list(problems: &[ListingProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl KeyListing {
    /// The listing of a certificate; `known` are the keys whose user ids are looked up for those that signed.
    pub fn of<'a>(
        certificate: &'a Certificate,
        known: impl IntoIterator<Item = &'a Certificate> + Clone,
    ) -> Self {
        let name = |issuer: KeyId| {
            let mut known = known.clone().into_iter().chain([certificate]);
            let issuer = known.find(|key| key.key_id() == issuer);
            issuer.and_then(|key| key.user_ids().into_iter().next()).unwrap_or_else(|| UNKNOWN.to_owned())
        };
        let sig_key_ids: Vec<KeyId> = certificate.certifications().collect();
        Self {
            key_id: Some(certificate.key_id()),
            fingerprint: Some(certificate.fingerprint().clone()),
            user_id: certificate.user_ids().pop(),
            sig_user_ids: sig_key_ids.iter().map(|issuer| name(*issuer)).collect(),
            sig_key_ids,
        }
    }

    /// What differs from the expectation.
    pub fn differences(&self, expected: &ExpectedListing) -> Vec<ListingProblem> {
        let parts = [
            ("key id", expected.key_id.map(|id| id.to_string()), self.key_id.map(|id| id.to_string())),
            (
                "fingerprint",
                expected.fingerprint.as_ref().map(ToString::to_string),
                self.fingerprint.as_ref().map(ToString::to_string),
            ),
            ("user id", expected.user_id.clone(), self.user_id.clone()),
        ];
        let mut problems: Vec<ListingProblem> = parts
            .into_iter()
            .filter_map(|(what, expected, found)| {
                let expected = expected.filter(|expected| found.as_ref() != Some(expected))?;
                Some(ListingProblem::Differs { what, expected, found })
            })
            .collect();
        let missing: Vec<KeyId> =
            expected.sig_key_ids.iter().filter(|id| !self.sig_key_ids.contains(id)).copied().collect();
        if !missing.is_empty() {
            problems.push(ListingProblem::NotSignedBy { missing });
        }
        problems
    }
}

/// What gpg prints for a key that it does not have.
const UNKNOWN: &str = "[User ID not found]";

/// Reads what `gpg --with-colons --list-sigs --with-fingerprint KEY` prints (its file DETAILS; keyrings.md 4.2), checks
/// what it says and whether that is what was expected. All problems are collected into one error; warnings come with
/// the listing.
pub fn parse_list_sigs_output(
    text: &str,
    what: &str,
    expected: &ExpectedListing,
    at: UnixMillis,
) -> Result<(KeyListing, Vec<ListingWarning>), ListingError> {
    let mut reader = Reader { at, ..Reader::default() };
    for (number, line) in text.lines().enumerate() {
        if !line.is_empty() {
            reader.record(number + 1, &line.split(':').collect::<Vec<_>>());
        }
    }
    let Reader { found, mut problems, warnings, .. } = reader;
    problems.extend(found.differences(expected));
    if problems.is_empty() {
        Ok((found, warnings))
    } else {
        Err(ListingError { what: what.to_owned(), problems })
    }
}

struct Reader {
    at: UnixMillis,
    found: KeyListing,
    problems: Vec<ListingProblem>,
    warnings: Vec<ListingWarning>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { at: UnixMillis(0), found: KeyListing::default(), problems: Vec::new(), warnings: Vec::new() }
    }
}

impl Reader {
    fn record(&mut self, line: usize, fields: &[&str]) {
        // gpg counts its fields from 1.
        let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default();
        match field(1) {
            "tru" => self.trust(line, field(2), field(5)),
            "pub" => {
                if let Some(validity) = field(2).chars().find(|letter| "idre".contains(*letter)) {
                    self.problems.push(ListingProblem::Validity { line, validity });
                }
                if field(12).contains('D') {
                    self.problems.push(ListingProblem::Disabled { line });
                }
                self.found.key_id = self.read(line, field(5), "key id");
            }
            "fpr" => self.found.fingerprint = self.read(line, field(10), "fingerprint"),
            "uid" => self.found.user_id = Some(unescaped(field(10))),
            "sig" => {
                let issuer: Option<KeyId> = self.read(line, field(5), "key id");
                self.found.sig_key_ids.extend(issuer);
                self.found.sig_user_ids.push(unescaped(field(10)));
            }
            "rev" | "rvk" => self.problems.push(ListingProblem::Revocation { line }),
            record => {
                let record = record.chars().take(20).collect();
                self.warnings.push(ListingWarning::Record { line, record });
            }
        }
    }

    fn trust(&mut self, line: usize, flags: &str, expires: &str) {
        if flags.contains('t') {
            self.problems.push(ListingProblem::TrustModel { line });
        }
        if flags.contains('o') {
            self.warnings.push(ListingWarning::Stale { line });
        }
        let expires = expires.parse::<u32>().ok().filter(|expires| *expires != 0);
        let expires = expires.map(|expires| UnixMillis(i64::from(expires) * 1000));
        if let Some(at) = expires.filter(|expires| *expires < self.at) {
            self.warnings.push(ListingWarning::Expired { line, at });
        }
    }

    fn read<T: std::str::FromStr>(&mut self, line: usize, text: &str, expected: &'static str) -> Option<T> {
        let read = text.parse().ok();
        if read.is_none() {
            self.problems.push(ListingProblem::Malformed { line, expected });
        }
        read
    }
}

/// Undoes gpg's `\xHH`. What results is data and is never read as records again.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = rest.strip_prefix(b"\\x").and_then(|rest| rest.split_at_checked(2));
        let byte = escaped
            .and_then(|(digits, after)| Some((std::str::from_utf8(digits).ok()?, after)))
            .filter(|(digits, _)| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|(digits, after)| Some((u8::from_str_radix(digits, 16).ok()?, after)));
        let (byte, after) = byte.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
