use super::*;

const SIGNATURE: &str =
    "-----BEGIN PGP SIGNATURE-----\nVersion: GnuPG v2\n\nAAEC\n=aaaa\n-----END PGP SIGNATURE-----\n";
const LIMIT: usize = 1 << 20;

fn document(headers: &str, text: &str) -> String {
    format!("-----BEGIN PGP SIGNED MESSAGE-----\n{headers}\n{text}\n{SIGNATURE}")
}

fn text(document: &str) -> String {
    String::from_utf8(split(document.as_bytes(), LIMIT).unwrap().text).unwrap()
}

fn refused(document: impl AsRef<[u8]>) -> Refusal {
    split(document.as_ref(), LIMIT).unwrap_err()
}

#[test]
fn the_text_is_canonical() {
    for (written, canonical) in [
        ("a", "a"),
        ("", ""),
        ("a\n", "a\r\n"),
        ("\n\na", "\r\n\r\na"),
        ("a \t\nb\r\nc \r", "a\r\nb\r\nc"),
        ("- -a\n- From b\n- ", "-a\r\nFrom b\r\n"),
        ("- -----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP SIGNATURE-----"),
        ("- - a\n  b\n\u{b}c", "- a\r\n  b\r\n\u{b}c"),
        ("a\0b ä", "a\0b ä"),
    ] {
        assert_eq!(text(&document("Hash: SHA512\n", written)), canonical, "{written:?}");
    }
}

#[test]
fn line_ends_do_not_matter() {
    let unix = document("Hash: SHA256\n", "a\n- -b");
    let split_unix = split(unix.as_bytes(), LIMIT).unwrap();
    assert_eq!(split(unix.replace('\n', "\r\n").as_bytes(), LIMIT).unwrap(), split_unix);
    assert_eq!(split(unix.trim_end().as_bytes(), LIMIT).unwrap(), split_unix);
    assert_eq!(split((unix + "\n\r\n").as_bytes(), LIMIT).unwrap(), split_unix);
    assert_eq!(split_unix.signature, [0, 1, 2]);
}

#[test]
fn only_hash_headers_with_known_names() {
    for good in [
        "",
        "Hash: SHA1\n",
        "Hash: SHA512,SHA256\n",
        "Hash: SHA512, SHA256\n",
        "Hash: MD5\nHash: SHA3-512\n",
        &"Hash: SHA512\n".repeat(8),
    ] {
        assert_eq!(text(&document(good, "a")), "a", "{good:?}");
    }
    for bad in [
        "Comment: x\n",
        "Hash: SHA512\nComment: x\n",
        "Hash: SHA513\n",
        "Hash: sha512\n",
        "Hash:SHA512\n",
        "Hash: \n",
        "Hash: SHA512,\n",
        "Hash: SHA512,  SHA256\n",
        "Hash: SHA512 \n",
        "Hash: SHA512\u{b}evil\n",
        "Hash: SHA512\u{c}\n",
        "Hash: SHA512\rHash: evil\n",
        "Hash : SHA512\n",
        " Hash: SHA512\n",
        "evil\n",
        " \n",
        "\t\n",
    ] {
        let refusal = refused(document(bad, "a"));
        assert!(matches!(refusal, Refusal::ClearsignHeader { line: 2 | 3 }), "{bad:?}: {refusal:?}");
    }
    let many = refused(document(&"Hash: SHA512\n".repeat(9), "a"));
    assert_eq!(many, Refusal::ClearsignHeader { line: 10 });
    assert_eq!(refused(document("NotDashEscaped: You need GnuPG\n", "a")), Refusal::NotDashEscaped);
    assert_eq!(refused(document("Hash: SHA1\nNotDashEscaped:\n", "a")), Refusal::NotDashEscaped);
}

#[test]
fn the_text_has_to_be_escaped_and_complete() {
    for (written, line) in [
        ("-a", 4),
        ("a\n-----BEGIN PGP MESSAGE-----", 5),
        ("-", 4),
        ("-----BEGIN PGP SIGNED MESSAGE-----", 4),
        ("a\nb\rc", 5),
    ] {
        assert_eq!(
            refused(document("Hash: SHA512\n", written)),
            Refusal::ClearsignFormat { line },
            "{written:?}"
        );
    }
    let whole = document("Hash: SHA512\n", "a\nb");
    for end in 0..whole.len() - 1 {
        let refusal = refused(&whole[..end]);
        let expected = ["format", "clearsign-header", "clearsign-format"];
        assert!(expected.contains(&refusal.code()), "{end}: {refusal:?}");
    }
}

#[test]
fn nothing_may_stand_around_it() {
    let whole = document("Hash: SHA512\n", "a");
    assert_eq!(refused(format!("x\n{whole}")), Refusal::LeadingData { bytes: 2 });
    assert_eq!(refused(format!("\n{whole}")), Refusal::LeadingData { bytes: 1 });
    assert_eq!(refused(format!("{whole}x")), Refusal::TrailingData { bytes: 1 });
    assert_eq!(refused(format!("{whole}\n\nmore\n")), Refusal::TrailingData { bytes: 4 });
    assert_eq!(refused(format!("{whole}{whole}")), Refusal::MultipleMessages);
    assert_eq!(refused(format!("{whole}{SIGNATURE}")), Refusal::TrailingData { bytes: SIGNATURE.len() - 1 });
}

#[test]
fn other_forms_are_told_apart() {
    for (bytes, found) in [
        (&b"{\"taskId\": 1}"[..], "other text"),
        (b"", "other text"),
        (b"-----BEGIN PGP MESSAGE-----\n\nAAEC\n-----END PGP MESSAGE-----\n", "another armored block"),
        (b"-----BEGIN PGP SIGNED MESSAGE----- \nHash: SHA512\n", "other text"),
        (b"\xa3\x01\x05", "binary data"),
    ] {
        assert_eq!(refused(bytes), Refusal::Format { found }, "{bytes:?}");
    }
}

#[test]
fn the_size_is_limited() {
    let whole = document("Hash: SHA512\n", &"a".repeat(100));
    assert!(split(whole.as_bytes(), whole.len()).is_ok());
    let expected = Refusal::TooBig { limit: whole.len() - 1, found: whole.len() };
    assert_eq!(split(whole.as_bytes(), whole.len() - 1).unwrap_err(), expected);
}
