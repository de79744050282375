//! Signatures in git: what a raw tag or commit object says, and which bytes its signature covers.
//!
//! Nothing is verified here: the payload and an OpenPGP signature go to
//! [`Keyring::verify_detached`](super::Keyring::verify_detached). Only the form that git writes itself is read, so that
//! git and this cannot understand two things.

use std::fmt;

/// The name of a git object: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

/// How an object is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureForm {
    /// By OpenPGP: the armored detached signature over the payload.
    OpenPgp(Vec<u8>),
    /// By an SSH key.
    Ssh,
    /// By an X.509 certificate.
    X509,
    /// Not at all.
    Unsigned,
}

/// A tag object, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What it points to.
    pub object: ObjectId,
    /// The type of that: `commit`, most often.
    pub object_type: String,
    /// The tag's name as it was signed: the name of the reference can be anything.
    pub name: String,
    /// What a signature covers.
    pub payload: Vec<u8>,
    /// The signature.
    pub signature: SignatureForm,
}

/// A commit object, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The tree of files.
    pub tree: ObjectId,
    /// The commits before it.
    pub parents: Vec<ObjectId>,
    /// What a signature covers.
    pub payload: Vec<u8>,
    /// The signature.
    pub signature: SignatureForm,
}

/// Why bytes are no tag or commit object that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitObjectError {
    /// A header is missing, in another place than git writes it, or has another form.
    #[error("read the git object: expected the header {expected:?} in line {line}")]
    Header {
        /// The header.
        expected: &'static str,
        /// Counted from 1.
        line: usize,
    },
    /// A header stands there that changes what the signature covers and is not understood here.
    #[error("read the git object: the header {name:?} is not supported")]
    Unsupported {
        /// The header.
        name: &'static str,
    },
    /// There is more than one signature.
    #[error("read the git object: more than one signature found")]
    SeveralSignatures,
    /// There is no empty line between headers and message.
    #[error("read the git object: the headers do not end")]
    NoMessage,
    /// It has a NUL byte.
    #[error("read the git object: it has a NUL byte")]
    Nul,
}

/// Every beginning of a signature that git knows (its `gpg-interface.c`), with the form it means.
const BEGINNINGS: [(&[u8], Form); 4] = [
    (b"-----BEGIN PGP SIGNATURE-----", Form::OpenPgp),
    (b"-----BEGIN PGP MESSAGE-----", Form::OpenPgp),
    (b"-----BEGIN SSH SIGNATURE-----", Form::Ssh),
    (b"-----BEGIN SIGNED MESSAGE-----", Form::X509),
];

#[derive(Clone, Copy)]
enum Form {
    OpenPgp,
    Ssh,
    X509,
}

impl ObjectId {
    /// Reads 40 or 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        (matches!(text.len(), 40 | 64) && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes a raw tag object apart, as `git cat-file tag NAME` prints it.
pub fn tag(raw: &[u8]) -> Result<Tag, GitObjectError> {
    if raw.contains(&0) {
        return Err(GitObjectError::Nul);
    }
    let mut lines = Headers::new(raw);
    let object = lines.object_id("object")?.ok_or(GitObjectError::Header { expected: "object", line: 1 })?;
    let object_type = lines.text("type")?;
    let name = lines.text("tag")?;
    while let Some((header, _)) = lines.next()? {
        if header.starts_with(b"gpgsig") {
            return Err(GitObjectError::Unsupported { name: "gpgsig" });
        }
    }
    let (payload, signature) = split_at_signature(raw);
    Ok(Tag { object, object_type, name, payload: payload.to_vec(), signature })
}

/// Takes a raw commit object apart, as `git cat-file commit ID` prints it. The signature stands in the header `gpgsig`.
pub fn commit(raw: &[u8]) -> Result<Commit, GitObjectError> {
    if raw.contains(&0) {
        return Err(GitObjectError::Nul);
    }
    let mut lines = Headers::new(raw);
    let tree = lines.object_id("tree")?.ok_or(GitObjectError::Header { expected: "tree", line: 1 })?;
    let mut parents = Vec::new();
    while let Some(parent) = lines.object_id("parent")? {
        parents.push(parent);
    }
    let mut signature: Option<Vec<u8>> = None;
    let mut payload = raw.get(..lines.at).unwrap_or_default().to_vec();
    let mut start = lines.at;
    while let Some((header, whole)) = lines.next()? {
        if header.starts_with(b"gpgsig-sha256 ") {
            return Err(GitObjectError::Unsupported { name: "gpgsig-sha256" });
        }
        match header.strip_prefix(b"gpgsig ") {
            Some(first) if signature.is_none() => signature = Some(unfold(first, whole)),
            Some(_) => return Err(GitObjectError::SeveralSignatures),
            None => payload.extend_from_slice(whole),
        }
        start = lines.at;
    }
    payload.extend_from_slice(raw.get(start..).unwrap_or_default());
    let signature = match signature {
        Some(signature) => form(&signature).unwrap_or(SignatureForm::Unsigned),
        None => SignatureForm::Unsigned,
    };
    Ok(Commit { tree, parents, payload, signature })
}

/// Git takes the last line that begins a signature, and what follows it.
fn split_at_signature(raw: &[u8]) -> (&[u8], SignatureForm) {
    let mut at = 0;
    let mut found = None;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if BEGINNINGS.iter().any(|(beginning, _)| line.starts_with(beginning)) {
            found = Some(at);
        }
        at += line.len();
    }
    let split = found.and_then(|at| raw.split_at_checked(at));
    match split.and_then(|(payload, signature)| form(signature).map(|form| (payload, form))) {
        Some(parts) => parts,
        None => (raw, SignatureForm::Unsigned),
    }
}

fn form(signature: &[u8]) -> Option<SignatureForm> {
    let (_, form) = BEGINNINGS.iter().find(|(beginning, _)| signature.starts_with(beginning))?;
    Some(match form {
        Form::OpenPgp => SignatureForm::OpenPgp(signature.to_vec()),
        Form::Ssh => SignatureForm::Ssh,
        Form::X509 => SignatureForm::X509,
    })
}

/// The value of a header that continues on lines with one blank before them.
fn unfold(first: &[u8], whole: &[u8]) -> Vec<u8> {
    let mut value = first.to_vec();
    value.push(b'\n');
    for line in whole.split_inclusive(|byte| *byte == b'\n').skip(1) {
        value.extend_from_slice(line.strip_prefix(b" ").unwrap_or(line));
    }
    value
}

/// A header: its first line without the line end, and all of its lines.
type Header<'a> = (&'a [u8], &'a [u8]);

/// The headers, one after the other, up to the empty line.
struct Headers<'a> {
    raw: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Headers<'a> {
    fn new(raw: &'a [u8]) -> Self {
        Self { raw, at: 0, line: 1 }
    }

    /// The next header; `None` at the empty line.
    fn next(&mut self) -> Result<Option<Header<'a>>, GitObjectError> {
        let rest = self.raw.get(self.at..).unwrap_or_default();
        let mut size = 0;
        let mut first = None;
        let mut lines = 0;
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            if first.is_some() && !line.starts_with(b" ") {
                break;
            }
            first = first.or(line.strip_suffix(b"\n"));
            size += line.len();
            lines += 1;
        }
        match first {
            None => Err(GitObjectError::NoMessage),
            Some(b"") => Ok(None),
            Some(first) => {
                self.at += size;
                self.line += lines;
                Ok(Some((first, rest.get(..size).unwrap_or_default())))
            }
        }
    }

    /// The object id in the next header, if it has this name.
    fn object_id(&mut self, name: &'static str) -> Result<Option<ObjectId>, GitObjectError> {
        let before = (self.at, self.line);
        match self.value(name)? {
            Some(text) => {
                let error = GitObjectError::Header { expected: name, line: before.1 };
                ObjectId::parse(text).map(Some).ok_or(error)
            }
            None => {
                (self.at, self.line) = before;
                Ok(None)
            }
        }
    }

    /// The value of the next header, which has to have this name.
    fn text(&mut self, name: &'static str) -> Result<String, GitObjectError> {
        let line = self.line;
        self.value(name)?.map(str::to_owned).ok_or(GitObjectError::Header { expected: name, line })
    }

    fn value(&mut self, name: &'static str) -> Result<Option<&'a str>, GitObjectError> {
        let Some((first, whole)) = self.next()? else { return Ok(None) };
        let value = first.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
        let is_one_line = whole.len() == first.len() + 1;
        Ok(value.filter(|_| is_one_line).and_then(|value| std::str::from_utf8(value).ok()))
    }
}

#[cfg(test)]
mod tests;
