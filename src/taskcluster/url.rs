//! Addresses: the root URL of a deployment, and request targets that are sent exactly as they were signed.
//!
//! Nothing here normalises: a `%2F` stays a `%2F`, `//` and `..` stay what they are, because a Hawk signature is
//! over the bytes of the request line (taskcluster-api.md 1 and 2).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Everything but RFC 3986's unreserved characters: an argument is one path segment, whatever is in it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text that cannot be used as an address. The text itself is not repeated: it may carry a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Neither `http://` nor `https://`.
    #[error("expected a URL that begins with http:// or https://")]
    Scheme,
    /// No host, a host with characters that none has, or a port that is no number.
    #[error("expected a host name and an optional port after the scheme, and no user name")]
    Authority,
    /// A character that a request line may not hold.
    #[error("expected only printable ASCII without spaces in the URL")]
    Character,
    /// A root URL with a path, a query or a fragment.
    #[error("expected a root URL of scheme and host only, without a path")]
    RootWithPath,
}

/// Percent-encodes one path argument completely: `/` becomes `%2F`.
pub fn encode_segment(argument: &str) -> String {
    utf8_percent_encode(argument, SEGMENT).to_string()
}

/// Percent-encodes each part of a path; the slashes between them stay.
pub fn encode_path(path: &str) -> String {
    path.split('/').map(encode_segment).collect::<Vec<_>>().join("/")
}

/// The root URL of a Taskcluster deployment: scheme, host and optional port, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootUrl(Target);

impl RootUrl {
    /// Reads a root URL; one trailing `/` is accepted and dropped (taskcluster-api.md 1).
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let target = Target::parse(text)?;
        if target.path_and_query != "/" || text.contains('#') {
            return Err(InvalidUrl::RootWithPath);
        }
        Ok(Self(target))
    }

    /// The target of an API call. `path` begins with `/`; its arguments are already encoded.
    pub(crate) fn api(&self, service: &str, path: &str) -> Target {
        Target { path_and_query: format!("/api/{service}/v1{path}"), ..self.0.clone() }
    }
}

impl fmt::Display for RootUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin())
    }
}

/// The hosts that are spoken to without TLS, because somebody in charge wrote their addresses so. Every other address
/// has to be `https`, and none may be link-local: that is where clouds keep the credentials of a machine
/// (cot-attacks.md 77).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainHosts(BTreeSet<String>);

impl PlainHosts {
    /// The hosts of those addresses that are `http`.
    pub fn of<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Self {
        let targets = addresses.into_iter().filter_map(|address| Target::parse(address).ok());
        Self(targets.filter(|target| !target.tls).map(|target| target.host).collect())
    }

    /// This address, too, if it is `http`.
    pub fn add(&mut self, address: &str) {
        self.0.extend(Self::of([address]).0);
    }

    /// Why an address is not gone to.
    pub(super) fn problem_with(&self, target: &Target) -> Option<String> {
        if !target.tls && !self.0.contains(&target.host) {
            return Some(format!("{target} is not encrypted"));
        }
        is_link_local(&target.host).then(|| format!("{target} is an address of this machine's own network"))
    }
}

fn is_link_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    let v4 = |address: Ipv4Addr| address.is_link_local() || address.is_unspecified();
    match (address.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
        (Ok(address), _) => v4(address),
        (_, Ok(address)) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.to_ipv4_mapped().is_some_and(v4)
        }
        _ => false,
    }
}

/// Where one request goes: kept in the parts that are sent and signed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether the connection is TLS (`https`).
    pub(crate) tls: bool,
    /// In lower case; IPv6 addresses in brackets.
    pub(crate) host: String,
    /// Explicit, or the scheme's own.
    pub(crate) port: u16,
    /// The request line's middle, byte for byte; begins with `/`.
    pub(crate) path_and_query: String,
}

impl Target {
    /// Takes an absolute URL apart. A fragment is dropped, as it is never sent.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidUrl::Character);
        }
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(InvalidUrl::Scheme),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = split_authority(authority, if tls { 443 } else { 80 })?;
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, host, port, path_and_query })
    }

    /// Resolves a `Location` header against this target (RFC 3986 5.2 without the removal of dot segments, which
    /// no server that signs its URLs relies on).
    pub(crate) fn join(&self, location: &str) -> Result<Self, InvalidUrl> {
        if location.contains("://") && !location.starts_with(['/', '?']) {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        let path = self.path();
        let absolute = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            _ => format!("{}{location}", path.get(..=path.rfind('/').unwrap_or(0)).unwrap_or("/")),
        };
        Self::parse(&format!("{}{absolute}", self.origin()))
    }

    /// The `Host` header: the port only where it is not the scheme's own.
    pub(crate) fn host_header(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// Whether credentials meant for the one may go to the other.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.host_header())
    }

    /// The whole URL, secrets included.
    pub(crate) fn exposed(&self) -> String {
        format!("{}{}", self.origin(), self.path_and_query)
    }

    fn path(&self) -> &str {
        self.path_and_query.split_once('?').map_or(self.path_and_query.as_str(), |(path, _)| path)
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

impl fmt::Display for Target {
    /// For messages: without the query, where signatures and bewits are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snip = if self.path_and_query.contains('?') { "?<snip>" } else { "" };
        write!(f, "{}{}{snip}", self.origin(), self.path())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn split_authority(authority: &str, default_port: u16) -> Result<(String, u16), InvalidUrl> {
    let (host, port) = match authority.rsplit_once(':') {
        // a colon inside brackets belongs to the IPv6 address
        Some((host, port)) if !port.contains(']') => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = if digits { port.parse().ok() } else { None };
            (host, port.filter(|port| *port != 0).ok_or(InvalidUrl::Authority)?)
        }
        _ => (authority, default_port),
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    };
    if name { Ok((host.to_ascii_lowercase(), port)) } else { Err(InvalidUrl::Authority) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_argument_is_encoded_completely() {
        assert_eq!(encode_segment("public/with space+plus%.txt"), "public%2Fwith%20space%2Bplus%25.txt");
        assert_eq!(encode_segment("a-b_c.d~e"), "a-b_c.d~e");
        assert_eq!(encode_segment("été"), "%C3%A9t%C3%A9");
    }

    #[test]
    fn row_077_plain_text_goes_only_where_somebody_said_so() {
        let hosts = PlainHosts::of(["http://localhost:80", "https://tc.example.com", "nonsense"]);
        let problem = |url: &str| hosts.problem_with(&Target::parse(url).unwrap());
        for good in ["https://anywhere.example/x?y", "http://localhost:99/x", "https://127.0.0.1/"] {
            assert_eq!(problem(good), None);
        }
        for (bad, what) in [
            ("http://tc.example.com/x", "not encrypted"),
            ("http://localhost.example/x", "not encrypted"),
            ("https://169.254.169.254/latest", "own network"),
            ("https://[fe80::1]/", "own network"),
            ("https://[::ffff:169.254.169.254]/", "own network"),
            ("https://0.0.0.0/", "own network"),
        ] {
            assert!(problem(bad).is_some_and(|problem| problem.contains(what)), "{bad}");
        }
        assert_eq!(problem("http://x/y?bewit=z").unwrap(), "http://x/y?<snip> is not encrypted");
    }

    #[test]
    fn a_root_url_has_no_path() {
        for (text, shown) in [
            ("https://tc.example.com", "https://tc.example.com"),
            ("https://TC.example.com/", "https://tc.example.com"),
            ("http://127.0.0.1:8700", "http://127.0.0.1:8700"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(RootUrl::parse(text).unwrap().to_string(), shown);
        }
        for (text, error) in [
            ("", InvalidUrl::Scheme),
            ("tc.example.com", InvalidUrl::Scheme),
            ("ftp://tc.example.com", InvalidUrl::Scheme),
            ("https://", InvalidUrl::Authority),
            ("https://a:b@c", InvalidUrl::Authority),
            ("https://a:0", InvalidUrl::Authority),
            ("https://a:+1", InvalidUrl::Authority),
            ("https://a:99999", InvalidUrl::Authority),
            ("https://a/b", InvalidUrl::RootWithPath),
            ("https://a?b", InvalidUrl::RootWithPath),
            ("https://a/#b", InvalidUrl::RootWithPath),
            ("https://a b", InvalidUrl::Character),
        ] {
            assert_eq!(RootUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_target_is_kept_byte_for_byte_and_shown_without_its_query() {
        let text = "https://s3.example.com:444/a%2Fb//../c?X-Amz-Signature=abc#frag";
        let target = Target::parse(text).unwrap();
        assert_eq!(target.path_and_query, "/a%2Fb//../c?X-Amz-Signature=abc");
        assert_eq!(target.exposed(), "https://s3.example.com:444/a%2Fb//../c?X-Amz-Signature=abc");
        assert_eq!(format!("{target} {target:?}").matches("abc").count(), 0);
        assert_eq!(target.host_header(), "s3.example.com:444");
    }

    #[test]
    fn locations_resolve_against_the_request() {
        let base = Target::parse("https://a.example/x/y?q").unwrap();
        for (location, expected) in [
            ("http://b.example/z", "http://b.example/z"),
            ("//b.example/z", "https://b.example/z"),
            ("/z?to=http://c/", "https://a.example/z?to=http://c/"),
            ("z", "https://a.example/x/z"),
            ("?z", "https://a.example/x/y?z"),
        ] {
            assert_eq!(base.join(location).unwrap().exposed(), expected, "{location}");
        }
        assert!(!base.same_origin(&base.join("http://a.example/").unwrap()));
        assert!(base.same_origin(&base.join("https://A.example:443/").unwrap()));
    }
}
