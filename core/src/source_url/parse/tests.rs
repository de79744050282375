//! Source addresses, by row of the attack table.

use super::*;
use proptest::prelude::*;

fn fault(text: &str) -> Option<UrlFault> {
    SourceUrl::parse(text).err().map(|error| error.fault)
}

fn url(text: &str) -> SourceUrl {
    SourceUrl::parse(text).unwrap()
}

fn repo(text: &str) -> RepoUrl {
    RepoUrl::parse(text).unwrap()
}

#[test]
fn row_117_one_host_only() {
    for (text, expected) in [
        ("https://hg.mozilla.org@evil/mozilla-central", UrlFault::User),
        ("https://user:pass@hg.mozilla.org/x", UrlFault::User),
        ("https://evil#hg.mozilla.org/", UrlFault::Tail),
        ("https://evil?hg.mozilla.org/", UrlFault::Tail),
        ("https://hg.mozilla.org/x?y", UrlFault::Tail),
        ("https://evil\\@hg.mozilla.org/", UrlFault::Backslash),
        ("https:\\\\hg.mozilla.org/", UrlFault::Backslash),
        ("https://", UrlFault::NoUrl),
        ("https:///mozilla-central", UrlFault::NoUrl),
        ("", UrlFault::NoUrl),
        ("mozilla-central", UrlFault::NoUrl),
        (" https://hg.mozilla.org/x", UrlFault::NoUrl),
        ("https://hg.mozilla.org/x\n", UrlFault::NoUrl),
        ("https://hg.mozilla.org/a b", UrlFault::NoUrl),
        ("https://hg.mozilla.org\t/x", UrlFault::NoUrl),
        ("ext::command", UrlFault::Scheme),
        ("a-b:c", UrlFault::NoUrl),
        (":c", UrlFault::NoUrl),
    ] {
        assert_eq!(fault(text), Some(expected), "{text}");
    }
}

#[test]
fn row_118_one_normal_form() {
    for (text, expected) in [
        ("https://hg.mozilla.org:443/x", UrlFault::Port),
        ("https://[::1]/x", UrlFault::Port),
        ("https://HG.MOZILLA.ORG/x", UrlFault::HostForm),
        ("https://hg.mozilla.org./x", UrlFault::HostForm),
        ("https://hg..mozilla.org/x", UrlFault::HostForm),
        ("https://.hg.mozilla.org/x", UrlFault::HostForm),
        ("https://hg.m\u{43e}zilla.org/x", UrlFault::HostForm),
        ("https://xn--hg-mzilla-123.org/x", UrlFault::HostForm),
        ("https://hg%2emozilla.org/x", UrlFault::HostForm),
        ("https://hg_mozilla.org/x", UrlFault::HostForm),
    ] {
        assert_eq!(fault(text), Some(expected), "{text}");
    }
    let good = url("https://hg-1.mozilla2.org/a/b%20c/");
    assert_eq!((good.host(), good.segments().join("|").as_str()), ("hg-1.mozilla2.org", "a|b c"));
    assert_eq!(good.path(), "/a/b c");
}

#[test]
fn row_119_two_schemes() {
    for text in [
        "http://hg.mozilla.org/x",
        "git://github.com/a/b",
        "file:///etc/passwd",
        "ext::sh -c",
        "ext::x",
        "git+ssh://github.com/a/b",
        "HTTPS://hg.mozilla.org/x",
        "javascript:x",
        "ftp://hg.mozilla.org/",
    ] {
        let expected = if text.contains(' ') { UrlFault::NoUrl } else { UrlFault::Scheme };
        assert_eq!(fault(text), Some(expected), "{text}");
    }
    assert_eq!(url("ssh://hg.mozilla.org/x").scheme(), SourceScheme::Ssh);
    assert_eq!(url("https://hg.mozilla.org/x").scheme(), SourceScheme::Https);
}

#[test]
fn row_121_one_path_only() {
    for path in [
        "/mozilla-central/../try",
        "/mozilla-central%2F..%2Ftry",
        "/mozilla-central/%2e%2e/try",
        "/mozilla-central/.",
        "/mozilla-central//try",
        "//mozilla-central",
        "/mozilla-central;x",
        "/mozilla-central%3Bx",
        "/a%5cb",
        "/a%00b",
        "/a%0ab",
        "/a%252e",
        "/a%25",
        "/a%",
        "/a%zz",
        "/a%2Eb",
        "/a%3Fb",
        "/a%23b",
        "/a//",
        "/a%ff",
        "/a|b",
        "/a\"b",
        "/a<b",
        "/{a}",
    ] {
        assert_eq!(fault(&format!("https://hg.mozilla.org{path}")), Some(UrlFault::PathForm), "{path}");
    }
    for (path, decoded) in [
        ("", ""),
        ("/", ""),
        ("/mozilla-central", "/mozilla-central"),
        ("/mozilla-central/", "/mozilla-central"),
        ("/mozilla-central/file/abc/taskcluster/ci", "/mozilla-central/file/abc/taskcluster/ci"),
        ("/a/b/raw/v1.0..2/.taskcluster.yml", "/a/b/raw/v1.0..2/.taskcluster.yml"),
        ("/a/b%20c/%C3%A4+d", "/a/b c/ä+d"),
    ] {
        assert_eq!(url(&format!("https://h.org{path}")).path(), decoded);
    }
}

#[test]
fn knows_github_by_host_owner_and_revision() {
    let source = url("https://github.com/mozilla-firefox/firefox/raw/abc/.taskcluster.yml");
    assert_eq!(source.owner_and_name(), Some(("mozilla-firefox", "firefox")));
    assert_eq!(source.github_revision(), Some("abc"));
    let short = url("git@github.com:mozilla-releng/adhoc-signing.git");
    assert_eq!(short.as_str(), "ssh://github.com/mozilla-releng/adhoc-signing.git");
    assert_eq!(short.owner_and_name(), Some(("mozilla-releng", "adhoc-signing")));
    assert_eq!(short.github_revision(), None);
    assert_eq!(url("https://hg.mozilla.org/a/b/raw/c").owner_and_name(), None);
    assert_eq!(url("https://hg.mozilla.org/a/b/raw/c").github_revision(), None);
    // only this one user of this one host, and only at the beginning
    for text in ["git@gitlab.com:a/b", "x@github.com:a/b", "git@github.com.evil:a/b", "git@github.com/a/b"] {
        assert!(SourceUrl::parse(text).is_err(), "{text}");
    }
    assert_eq!(fault("git@github.com:a/../b"), Some(UrlFault::PathForm));
}

#[test]
fn row_123_inside_is_by_host_and_whole_names() {
    for (source, repository, expected) in [
        ("https://hg.mozilla.org/mozilla-central/file/x", "https://hg.mozilla.org/mozilla-central", true),
        ("https://hg.mozilla.org/mozilla-central/file/x", "https://hg.mozilla.org/mozilla-central/", true),
        ("https://hg.mozilla.org/mozilla-central", "ssh://hg.mozilla.org/mozilla-central", true),
        ("https://hg.mozilla.org/mozilla-central-evil", "https://hg.mozilla.org/mozilla-central", false),
        ("https://hg.mozilla.org/mozilla", "https://hg.mozilla.org/mozilla-central", false),
        ("https://hg.mozilla.org/", "https://hg.mozilla.org/mozilla-central", false),
        ("https://evil.org/mozilla-central", "https://hg.mozilla.org/mozilla-central", false),
        ("https://github.com/a/b/raw/x/y", "git@github.com:a/b", true),
        ("https://github.com/a/b/raw/x/y", "git@github.com:a/b.git", true),
        ("https://github.com/a/b.git", "https://github.com/a/b", true),
        ("https://github.com/a/b.git/x", "https://github.com/a/b.git", true),
        ("https://github.com/a/b.github.io", "https://github.com/a/b", false),
        ("https://github.com/a.git/b", "https://github.com/a/b", false),
        ("https://github.com/A/b", "https://github.com/a/b", false),
    ] {
        assert_eq!(url(source).is_inside(&repo(repository)), expected, "{source} in {repository}");
    }
    for text in ["https://hg.mozilla.org", "https://hg.mozilla.org/", "https://hg.mozilla.org///"] {
        assert_eq!(RepoUrl::parse(text).unwrap_err().fault, UrlFault::PathForm, "{text}");
    }
    assert_eq!(repo("https://github.com/a/.git").names(), ["a", ".git"]);
}

proptest! {
    /// The host of what is taken is all that stands before the first slash, and no part of the path moves up.
    #[test]
    fn what_is_taken_has_one_reading(text in "(https|ssh)://[a-z@:.\\\\/#?%2e;\u{0}-\u{20}é]{0,20}") {
        if let Ok(url) = SourceUrl::parse(&text) {
            let rest = text.split_once("://").unwrap().1;
            prop_assert!(rest.starts_with(url.host()), "{}", text);
            let after = &rest[url.host().len()..];
            prop_assert!(after.is_empty() || after.starts_with('/'), "{}", text);
            prop_assert!(url.segments().iter().all(|name| !matches!(name.as_str(), "" | "." | "..")), "{}", text);
            let again = SourceUrl::parse(url.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&url));
        }
    }
}
