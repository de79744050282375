//! The one form of a source address. Whatever two readers could take for two different places is refused.

use percent_encoding::percent_decode_str;
use std::fmt;

/// How a source tree is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceScheme {
    /// `https`.
    Https,
    /// `ssh`.
    Ssh,
}

/// The address of something in a source tree, or of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrl {
    text: String,
    scheme: SourceScheme,
    host: String,
    /// Decoded; none is empty, none has a slash in it.
    segments: Vec<String>,
}

/// The address of a repository: one that has a path, without a slash at its end. A `.git` at the end is part of the
/// text, but not of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoUrl(SourceUrl);

/// A text that is no source address, or one that could be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the source address {url:?} {fault}")]
pub struct SourceUrlError {
    /// The text (at most 300 characters of it).
    pub url: String,
    /// What is wrong with it.
    pub fault: UrlFault,
}

/// What is wrong with a source address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// No scheme and host, or characters that no address has.
    #[error("is no address")]
    NoUrl,
    /// Neither `https` nor `ssh`.
    #[error("has a scheme other than https and ssh")]
    Scheme,
    /// Something before an `@`.
    #[error("names a user")]
    User,
    /// A backslash, which some readers take for a slash.
    #[error("has a backslash in it")]
    Backslash,
    /// A query or a fragment.
    #[error("has a query or a fragment")]
    Tail,
    /// A port.
    #[error("has a port")]
    Port,
    /// The host has upper-case letters, letters beyond ASCII or their encoding, or a dot at its end.
    #[error("has a host that is not in its normal form")]
    HostForm,
    /// The path has an empty or a dotted part, a `;`, or an encoded character that would change its meaning.
    #[error("has a path that is not in its normal form")]
    PathForm,
}

impl SourceUrl {
    /// Reads an address. `git@github.com:owner/repo` means `ssh://github.com/owner/repo`.
    pub fn parse(text: &str) -> Result<Self, SourceUrlError> {
        read(text).map_err(|fault| SourceUrlError { url: text.chars().take(300).collect(), fault })
    }

    /// The address, rewritten if it had the short form of `ssh`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it is reached.
    pub fn scheme(&self) -> SourceScheme {
        self.scheme
    }

    /// The host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The parts of the path, decoded.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The path, decoded: a slash before each part.
    pub fn path(&self) -> String {
        self.segments.iter().flat_map(|segment| ["/", segment]).collect()
    }

    /// Whether it is on GitHub, where the first two parts of a path are owner and repository.
    pub fn is_github(&self) -> bool {
        self.host == "github.com"
    }

    /// Owner and repository on GitHub, without the `.git` of the latter.
    pub fn owner_and_name(&self) -> Option<(&str, &str)> {
        match self.segments.as_slice() {
            [owner, name, ..] if self.is_github() => Some((owner, name.strip_suffix(".git").unwrap_or(name))),
            _ => None,
        }
    }

    /// The revision in an address on GitHub: `/owner/repo/kind/revision/…`.
    pub fn github_revision(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [_, _, _, revision, ..] if self.is_github() => Some(revision),
            _ => None,
        }
    }

    /// Whether it is a repository or something in it: the same host, and a path that begins with all parts of the
    /// repository's (chain-of-trust.md 6.7).
    pub fn is_inside(&self, repository: &RepoUrl) -> bool {
        let names = repository.names();
        self.host == repository.0.host
            && self.segments.len() >= names.len()
            && self.segments.iter().zip(&names).enumerate().all(|(at, (mine, its))| {
                let last = at + 1 == names.len();
                mine == its || (last && mine.strip_suffix(".git") == Some(*its))
            })
    }
}

impl RepoUrl {
    /// Reads the address of a repository. Slashes at its end do not count.
    pub fn parse(text: &str) -> Result<Self, SourceUrlError> {
        let url = SourceUrl::parse(text.trim_end_matches('/'))?;
        if url.segments.is_empty() {
            return Err(SourceUrlError { url: url.text, fault: UrlFault::PathForm });
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn url(&self) -> &SourceUrl {
        &self.0
    }

    /// The parts of its path, without the `.git` of the last.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.segments.iter().map(String::as_str).collect();
        if let Some(last) = names.last_mut() {
            *last = last.strip_suffix(".git").filter(|name| !name.is_empty()).unwrap_or(last);
        }
        names
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn read(given: &str) -> Result<SourceUrl, UrlFault> {
    if given.contains('\\') {
        return Err(UrlFault::Backslash);
    }
    if !given.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(if given.is_ascii() { UrlFault::NoUrl } else { UrlFault::HostForm });
    }
    let text = match given.strip_prefix("git@github.com:") {
        Some(path) => format!("ssh://github.com/{path}"),
        None => given.to_owned(),
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(|| no_scheme(&text))?;
    let scheme = match scheme {
        "https" => SourceScheme::Https,
        "ssh" => SourceScheme::Ssh,
        _ => return Err(UrlFault::Scheme),
    };
    if rest.contains(['?', '#']) {
        return Err(UrlFault::Tail);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    check_host(authority)?;
    let host = authority.to_owned();
    let segments = segments(path)?;
    Ok(SourceUrl { text, scheme, host, segments })
}

/// `ext::command` and `file:path` have schemes, too.
fn no_scheme(text: &str) -> UrlFault {
    match text.split_once(':') {
        Some((scheme, _))
            if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !scheme.is_empty() =>
        {
            UrlFault::Scheme
        }
        _ => UrlFault::NoUrl,
    }
}

fn check_host(authority: &str) -> Result<(), UrlFault> {
    if authority.is_empty() {
        return Err(UrlFault::NoUrl);
    }
    if authority.contains('@') {
        return Err(UrlFault::User);
    }
    if authority.contains(':') {
        return Err(UrlFault::Port);
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with("xn--")
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if authority.split('.').all(is_label) { Ok(()) } else { Err(UrlFault::HostForm) }
}

fn segments(path: &str) -> Result<Vec<String>, UrlFault> {
    let Some(path) = path.strip_prefix('/') else { return Ok(Vec::new()) };
    // one slash at the end is how directories are written
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(segment).collect()
}

fn segment(encoded: &str) -> Result<String, UrlFault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@%".contains(&byte);
    let decoded = percent_decode_str(encoded).decode_utf8().map_err(|_| UrlFault::PathForm)?;
    // what is left of a percent sign that encodes nothing, or encodes another one, may be decoded by the next reader
    let fine = encoded.bytes().all(is_plain)
        && !matches!(&*decoded, "" | "." | "..")
        && !decoded
            .chars()
            .any(|character| matches!(character, '/' | '\\' | ';' | '%') || character.is_control())
        && (encoded == decoded || !decoded.contains(['.', '?', '#']));
    if fine { Ok(decoded.into_owned()) } else { Err(UrlFault::PathForm) }
}

#[cfg(test)]
mod tests;
