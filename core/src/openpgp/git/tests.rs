use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----\n\nAAEC\n-----END PGP SIGNATURE-----\n";
const SSH: &str = "-----BEGIN SSH SIGNATURE-----\nAAEC\n-----END SSH SIGNATURE-----\n";
const X509: &str = "-----BEGIN SIGNED MESSAGE-----\nAAEC\n-----END SIGNED MESSAGE-----\n";

fn tag_payload() -> String {
    format!("object {ID}\ntype commit\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nRelease\n")
}

fn openpgp() -> SignatureForm {
    SignatureForm::OpenPgp(SIGNATURE.into())
}

#[test]
fn a_tag_is_signed_over_everything_before_the_signature() {
    let payload = tag_payload();
    for (signature, form) in [
        (SIGNATURE, openpgp()),
        (SSH, SignatureForm::Ssh),
        (X509, SignatureForm::X509),
        ("", SignatureForm::Unsigned),
    ] {
        let tag = tag(format!("{payload}{signature}").as_bytes()).unwrap();
        assert_eq!(tag.signature, form);
        assert_eq!(tag.payload, payload.as_bytes());
        assert_eq!((tag.object.as_str(), tag.object_type.as_str(), tag.name.as_str()), (ID, "commit", "v1"));
    }
}

#[test]
fn of_several_signatures_git_takes_the_last_and_so_does_this() {
    let payload = format!("{}{SSH}", tag_payload());
    let tag = tag(format!("{payload}{SIGNATURE}").as_bytes()).unwrap();
    assert_eq!((tag.payload.as_slice(), tag.signature), (payload.as_bytes(), openpgp()));
}

#[test]
fn tags_in_another_form_are_refused() {
    let good = tag_payload();
    let header = |expected, line| GitObjectError::Header { expected, line };
    for (raw, expected) in [
        (String::new(), GitObjectError::NoMessage),
        (good.replace(ID, "HEAD"), header("object", 1)),
        (good.replace(ID, &ID.to_uppercase()), header("object", 1)),
        (good.replace("object", "Object"), header("object", 1)),
        (good.replace("type commit\n", ""), header("type", 2)),
        (good.replace("tag v1\n", "tag v1\n v2\n"), header("tag", 3)),
        (good.replace("\n\nRelease\n", "\n"), GitObjectError::NoMessage),
        (good.replace("tagger", "gpgsig-sha256 x\ntagger"), GitObjectError::Unsupported { name: "gpgsig" }),
        (good.replace("Release", "Rel\0ease"), GitObjectError::Nul),
    ] {
        assert_eq!(tag(raw.as_bytes()).unwrap_err(), expected, "{raw:?}");
    }
}

fn commit_text(gpgsig: &str) -> String {
    format!(
        "tree {ID}\nparent {OTHER}\nauthor A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n{gpgsig}encoding UTF-8\n\nMessage\n gpgsig no header\n"
    )
}

fn folded(name: &str, signature: &str) -> String {
    format!("{name} {}\n", signature.trim_end().replace('\n', "\n "))
}

#[test]
fn a_commit_is_signed_over_everything_but_its_signature() {
    for (signature, form) in [(SIGNATURE, openpgp()), (SSH, SignatureForm::Ssh), (X509, SignatureForm::X509)]
    {
        let commit = commit(commit_text(&folded("gpgsig", signature)).as_bytes()).unwrap();
        assert_eq!(commit.payload, commit_text("").as_bytes());
        assert_eq!(commit.signature, form);
        assert_eq!((commit.tree.as_str(), commit.parents.len()), (ID, 1));
    }
    let unsigned = commit(commit_text("").as_bytes()).unwrap();
    assert_eq!(
        (unsigned.payload.as_slice(), unsigned.signature),
        (commit_text("").as_bytes(), SignatureForm::Unsigned)
    );
}

#[test]
fn commits_in_another_form_are_refused() {
    let twice = folded("gpgsig", SIGNATURE).repeat(2);
    assert_eq!(commit(commit_text(&twice).as_bytes()).unwrap_err(), GitObjectError::SeveralSignatures);
    let sha256 = folded("gpgsig-sha256", SIGNATURE);
    let expected = GitObjectError::Unsupported { name: "gpgsig-sha256" };
    assert_eq!(commit(commit_text(&sha256).as_bytes()).unwrap_err(), expected);
    let expected = GitObjectError::Header { expected: "tree", line: 1 };
    assert_eq!(commit(b"parent x\n\n").unwrap_err(), expected);
    assert_eq!(commit(b"").unwrap_err(), GitObjectError::NoMessage);
}
