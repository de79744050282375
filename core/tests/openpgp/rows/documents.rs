//! Rows 21 to 31: the document and its signature.

use super::case::Case;
use super::cast::{
    CREATED, MADE, Scene, TEXT, WORKER, plain, signed, signed_text, stranger, text_signature, worker,
};
use crate::forge::{Key, Sig, armored, armored_signature, canonical, clear_signed, packet};
use pgp::armor::BlockType;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::SignatureType;

pub(crate) fn cases() -> Vec<Case> {
    [around(), headers(), hashes(), dashes(), blanks(), forms(), types()].concat()
}

/// 21, 22, 23: text around the signed text.
fn around() -> Vec<Case> {
    let good = signed(text_signature(), &worker());
    let evil = signed_text("{\"taskId\": \"evil\"}\n", text_signature(), &stranger());
    let after = Scene::flat(21, "trailing_data");
    let before = Scene::flat(22, "leading_data");
    let two = Scene::flat(23, "multiple_messages");
    vec![
        after.accepted("nothing", TEXT),
        after.clone().document(format!("{good}evil\n")).refused(
            "",
            "unsigned text after the signature",
            "trailing-data",
        ),
        before.accepted("nothing", TEXT),
        before.clone().document(format!("evil\n{good}")).refused(
            "",
            "unsigned text before the signed message",
            "leading-data",
        ),
        two.accepted("nothing", TEXT),
        two.clone().document(format!("{good}{evil}")).refused(
            "",
            "a stranger's message after the worker's",
            "multiple-messages",
        ),
        two.clone().document(format!("{evil}{good}")).refused(
            "evil_first",
            "a stranger's message before the worker's",
            "multiple-messages",
        ),
        two.clone().document(format!("{good}{good}")).refused(
            "twice",
            "the same message twice",
            "multiple-messages",
        ),
    ]
}

/// 24, 26: headers of the signed text.
fn headers() -> Vec<Case> {
    let scene = Scene::flat(24, "header");
    let escaped = Scene::flat(26, "not_dash_escaped");
    let good = signed(text_signature(), &worker());
    let header = |line: &str| good.replacen("Hash: SHA512\n", line, 1);
    let variants = [
        ("comment", "Hash: SHA512\nComment: evil\n", "a Comment header"),
        ("version", "Version: evil\nHash: SHA512\n", "a Version header"),
        ("vertical_tab", "Hash: SHA512\u{b}evil\n", "a vertical tab and text in the Hash header"),
        ("form_feed", "Hash: SHA512\u{c}evil\n", "a form feed and text in the Hash header"),
        ("carriage_return", "Hash: SHA512\revil\n", "a carriage return and text in the Hash header"),
        ("text", "Hash: SHA512\nevil\n", "a line without a colon among the headers"),
        ("no_blank_line", "Hash: SHA512\n \t\u{a0}evil\n", "a line that looks empty among the headers"),
    ];
    let refused = variants.iter().map(|(name, line, what)| {
        scene.clone().document(header(line)).refused(name, what, "clearsign-header")
    });
    let twins = [scene.accepted("nothing", TEXT), escaped.accepted("nothing", TEXT)];
    let not_escaped = escaped
        .clone()
        .document(header("Hash: SHA512\nNotDashEscaped: You need GnuPG\n"))
        .refused("", "a NotDashEscaped header", "unsupported");
    twins.into_iter().chain(refused).chain([not_escaped]).collect()
}

/// 25, 31: hash algorithms of the document's signature.
fn hashes() -> Vec<Case> {
    let rsa = Key::rsa("the worker's RSA", CREATED);
    let key = plain(&rsa, WORKER).armored();
    let signature = |hash| armored_signature(&text_signature().hash(hash).over(&canonical(TEXT), &rsa));
    let document = |hash, header| clear_signed(TEXT, header, &signature(hash));
    let good = document(HashAlgorithm::Sha512, "SHA512");
    let lying = Scene::flat(25, "hash_header").file("flat/worker.asc", key.clone()).document(good.clone());
    let weak = Scene::flat(31, "weak_hash").file("flat/worker.asc", key).document(good);
    let beside = |hash| {
        let sig = Sig::new(SignatureType::Binary, MADE).hash(hash);
        weak.clone()
            .named("weak_hash_detached")
            .detached(TEXT.as_bytes(), &armored_signature(&sig.over(TEXT.as_bytes(), &rsa)))
    };
    vec![
        lying.accepted("nothing", TEXT),
        lying.clone().document(document(HashAlgorithm::Sha1, "SHA512")).refused(
            "",
            "the header names SHA512, the signature uses SHA-1",
            "weak-hash",
        ),
        weak.accepted("nothing", TEXT),
        weak.clone().document(document(HashAlgorithm::Sha1, "SHA1")).refused("sha1", "SHA-1", "weak-hash"),
        weak.clone().document(document(HashAlgorithm::Md5, "MD5")).refused("md5", "MD5", "weak-hash"),
        weak.clone().document(document(HashAlgorithm::Ripemd160, "RIPEMD160")).refused(
            "ripemd",
            "RIPEMD-160",
            "weak-hash",
        ),
        beside(HashAlgorithm::Sha512).accepted("nothing", TEXT),
        beside(HashAlgorithm::Sha1).refused("", "a detached signature over SHA-1", "weak-hash"),
    ]
}

/// 27: dashes.
fn dashes() -> Vec<Case> {
    let variants = [
        ("", "dashes", "before\n-----BEGIN CERTIFICATE-----\nafter\n", "a line that begins with dashes"),
        ("", "one_dash", "before\n-evil\nafter\n", "a line that begins with one dash"),
        ("", "first_dash", "- evil\nafter\n", "a first line that begins with a dash and a blank"),
    ];
    let mut cases = Vec::new();
    for (variant, name, text, what) in variants {
        let good = signed_text(text, text_signature(), &worker());
        let scene = Scene::flat(27, name).document(good.clone());
        cases.push(scene.accepted(&format!("{what}, escaped"), text));
        // only the first: what the signature's own armor begins with stays
        let bad = good.replacen("\n- -", "\n-", 1);
        let (what, code) = match name {
            // without its escape, the line reads as an escaped "evil"
            "first_dash" => ("a line that loses a dash when it is read", "signature"),
            _ => (what, "clearsign-format"),
        };
        cases.push(scene.clone().document(bad).refused(variant, &format!("{what}, not escaped"), code));
    }
    cases
}

/// 28: what the canonical text leaves out.
fn blanks() -> Vec<Case> {
    let good = signed(text_signature(), &worker());
    let scene = Scene::flat(28, "blanks");
    let trailing = good.replacen("1,\n", "1, \t \n", 1);
    let inner = good.replacen("\": 1", "\":  1", 1);
    let without_end = signed_text(TEXT.trim_end(), text_signature(), &worker());
    vec![
        scene.accepted("nothing", TEXT),
        scene.clone().document(inner).refused("inner", "one more blank inside a line", "signature"),
        scene.clone().document(good.replacen("1,\n", "1,\n\n", 1)).refused(
            "line",
            "one more empty line",
            "signature",
        ),
        scene
            .clone()
            .named("trailing_blanks")
            .document(trailing)
            .accepted("blanks added at the end of a line", TEXT),
        scene.clone().named("crlf").document(good.replace('\n', "\r\n")).accepted("line ends as CRLF", TEXT),
        scene
            .clone()
            .named("no_line_end")
            .document(without_end)
            .accepted("no line end after the last line", TEXT),
    ]
}

/// 29: messages of other forms.
fn forms() -> Vec<Case> {
    let key = worker();
    let literal = [b"t\0\0\0\0\0".as_slice(), TEXT.as_bytes()].concat();
    let signature = Sig::new(SignatureType::Binary, MADE).over(TEXT.as_bytes(), &key);
    // version, type, hash (SHA-512), public-key algorithm (legacy EdDSA), key, "last"
    let one_pass = [&[3, 0, 10, 22], key.id().as_ref(), &[1]].concat();
    let packets = [
        packet(4, &one_pass),
        packet(11, &literal),
        packet(2, &pgp::ser::Serialize::to_bytes(&signature).unwrap()),
    ]
    .concat();
    let compressed = packet(8, &[&[0], packets.as_slice()].concat());
    let scene = Scene::flat(29, "inline");
    vec![
        scene.accepted("nothing", TEXT),
        scene.clone().document(armored(BlockType::Message, &packets)).refused(
            "signed",
            "a signed message instead of a clear-signed one",
            "format",
        ),
        scene.clone().document(armored(BlockType::Message, &compressed)).refused(
            "compressed",
            "a compressed signed message",
            "format",
        ),
        scene.clone().document(packets).refused("binary", "a signed message without armor", "format"),
        scene.clone().document(TEXT).refused("unsigned", "no message at all", "format"),
    ]
}

/// 30: signatures that mean something else.
fn types() -> Vec<Case> {
    let key = worker();
    let scene = Scene::flat(30, "clear_signed");
    let of = |kind| signed(Sig::new(kind, MADE), &key);
    let apart = |kind| armored_signature(&Sig::new(kind, MADE).over(TEXT.as_bytes(), &key));
    let detached = Scene::flat(30, "detached").detached(TEXT.as_bytes(), &apart(SignatureType::Binary));
    // the bytes of a certification of the user id, given as the document
    let certified = plain(&key, WORKER);
    let bytes = key.certified(WORKER);
    let own = Sig::new(SignatureType::CertPositive, MADE).over(&bytes, &key);
    let presented = Scene::flat(30, "presented")
        .file("flat/worker.asc", certified.armored())
        .detached(&bytes, &armored_signature(&Sig::new(SignatureType::Binary, MADE).over(&bytes, &key)));
    vec![
        scene.accepted("nothing", TEXT),
        scene.clone().document(of(SignatureType::Binary)).refused(
            "binary",
            "a binary signature under a text",
            "signature-type",
        ),
        scene.clone().document(of(SignatureType::CertGeneric)).refused(
            "certification",
            "a certification under a text",
            "signature-type",
        ),
        scene.clone().document(of(SignatureType::Timestamp)).refused(
            "timestamp",
            "a timestamp under a text",
            "signature-type",
        ),
        detached.accepted("nothing", TEXT),
        detached.clone().detached(TEXT.as_bytes(), &apart(SignatureType::CertPositive)).refused(
            "certification",
            "a certification beside a document",
            "signature-type",
        ),
        detached.clone().detached(TEXT.as_bytes(), &apart(SignatureType::Standalone)).refused(
            "standalone",
            "a standalone signature beside a document",
            "signature-type",
        ),
        presented.accepted("nothing", ""),
        presented.clone().detached(&bytes, &armored_signature(&own)).refused(
            "",
            "the key's own certification, beside the bytes that it certifies",
            "signature-type",
        ),
    ]
}
