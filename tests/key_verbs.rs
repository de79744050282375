//! The verbs of a key keeper, as processes: what they write, what they refuse, what they never print.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests that prepare and look at files")]

use scriptworker_core::openpgp::{Certificate, SecretKey};
use scriptworker_core::secret::Secret;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A part of every secret that a test makes up.
const CANARY: &str = "canary-5f1e";

/// A directory to work in.
struct Desk(TempDir);

/// How a verb ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        self.at(name).metadata().unwrap().permissions().mode() & 0o777
    }

    /// Everything that lies here, directories left out.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut open = vec![self.0.path().to_path_buf()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => files.push(path.strip_prefix(self.0.path()).unwrap().display().to_string()),
                }
            }
        }
        files.sort();
        files
    }

    /// Runs a verb here. Whatever it prints, it is no secret.
    fn run(&self, line: &str) -> Ended {
        self.run_as(Path::new(env!("CARGO_BIN_EXE_scriptworker")), line)
    }

    fn run_as(&self, program: &Path, line: &str) -> Ended {
        let command = Command::new(program).args(line.split_whitespace()).current_dir(self.0.path()).output();
        let Output { status, stdout, stderr } = command.unwrap();
        let [out, err] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        for shown in [&out, &err] {
            let armor = shown.contains("PRIVATE KEY");
            assert!(!armor && !shown.contains(CANARY), "{line} shows a secret: {shown}");
        }
        Ended { code: status.code().unwrap(), out, err }
    }

    fn ok(&self, line: &str) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, 0, "{line}: {}", ended.err);
        ended.out
    }

    /// A key of each name, quickly made.
    fn keys(&self, hosts: &[&str]) {
        let hosts = hosts.join(" ");
        self.ok(&format!("gen-key openpgp --user u --algorithm ed25519 --out . --host {hosts}"));
    }

    fn certificate(&self, name: &str) -> Certificate {
        Certificate::parse(&self.read(name)).unwrap()
    }
}

#[test]
fn gen_key_openpgp_writes_a_pair_for_each_host() {
    let desk = Desk::new();
    let out = desk.ok(
        "gen-key openpgp --user cltsign --host a.example.com b.example.com --algorithm ed25519 --out new",
    );
    assert_eq!(
        desk.files(),
        ["new/a.example.com.pub", "new/a.example.com.sec", "new/b.example.com.pub", "new/b.example.com.sec"]
    );
    for (line, name) in out.lines().zip(["a", "b"]) {
        let public = desk.certificate(&format!("new/{name}.example.com.pub"));
        assert_eq!(line, format!("{} {name} <cltsign@{name}.example.com>", public.fingerprint()));
        assert_eq!(public.user_ids(), [format!("{name} <cltsign@{name}.example.com>")]);
        let secret = SecretKey::parse(&desk.read(&format!("new/{name}.example.com.sec")), None).unwrap();
        assert_eq!(secret.certificate(), &public);
        assert_eq!(desk.mode(&format!("new/{name}.example.com.sec")), 0o600);
    }
}

#[test]
fn rsa_4096_is_the_default() {
    let desk = Desk::new();
    desk.ok("gen-key openpgp --user u --host h.example.com --out .");
    // the modulus alone has 512 bytes
    assert!(desk.certificate("h.example.com.pub").packets().len() > 1024);
}

#[test]
fn what_is_there_is_never_overwritten_and_a_failure_leaves_nothing() {
    let desk = Desk::new();
    for taken in ["b.example.com.pub", "b.example.com.sec", "b.example.com.rev"] {
        let path = desk.file(taken, b"mine", 0o600);
        let line = "gen-key openpgp --user u --host a.example.com b.example.com --algorithm ed25519 --revocation --out .";
        let ended = desk.run(line);
        assert_eq!(ended.code, 1);
        assert!(ended.err.contains(taken) && ended.err.contains("not overwritten"), "{}", ended.err);
        assert_eq!((desk.files(), desk.read(taken)), (vec![taken.to_owned()], b"mine".to_vec()));
        std::fs::remove_file(path).unwrap();
    }
    let ended = desk.run("gen-key openpgp --user u --host a.b a.c --short-names --algorithm ed25519 --out .");
    assert!(ended.code == 1 && ended.err.contains("same name"), "{}", ended.err);
    for (user, expires) in [("a@b", "2y"), ("u", "seconds=1")] {
        let line = format!(
            "gen-key openpgp --user {user} --host a.b --algorithm ed25519 --expires {expires} --out ."
        );
        assert_eq!(desk.run(&line).code, 1);
    }
    assert_eq!(desk.files(), Vec::<String>::new());
}

#[test]
fn a_wrong_command_line_is_one() {
    let desk = Desk::new();
    for line in [
        "gen-key openpgp --user u --host ../x --out .",
        "gen-key openpgp --user u --host a.b --algorithm dsa --out .",
        "gen-key openpgp --user u --host a.b --expires tomorrow --out .",
        "gen-key openpgp --user u --out .",
        "gen-key ed25519 --prefix a/b --out .",
        "revoke-key --key x.sec --reason lost",
        "export-key",
        "export-key --fingerprint 00",
        "list-keys --json",
    ] {
        assert_eq!(desk.run(line).code, 2, "{line}");
    }
}

#[test]
fn a_locked_key_opens_with_its_passphrase_only() {
    let desk = Desk::new();
    desk.file("pass", format!("{CANARY} open sesame\n").as_bytes(), 0o600);
    desk.file("wrong", format!("{CANARY} plugh\n").as_bytes(), 0o600);
    desk.file("open", format!("{CANARY}\n").as_bytes(), 0o640);
    desk.file("text", b"hello\n", 0o644);
    desk.ok("gen-key openpgp --user u --host a.b --algorithm ed25519 --passphrase-file pass --out .");
    let passphrase = Secret::new(format!("{CANARY} open sesame"));
    assert!(SecretKey::parse(&desk.read("a.b.sec"), Some(&passphrase)).is_ok());
    desk.ok("sign-file text --key a.b.sec --passphrase-file pass --out text.asc");
    for (options, problem) in [
        ("", "its passphrase is needed"),
        ("--passphrase-file wrong", "does not open"),
        ("--passphrase-file open", "chmod 600"),
        ("--passphrase-file absent", "No such file"),
    ] {
        let ended = desk.run(&format!("sign-file text --key a.b.sec {options} --out other.asc"));
        assert_eq!(ended.code, 1);
        assert!(ended.err.contains(problem), "{}", ended.err);
    }
    // another passphrase, and none
    desk.ok("export-key --secret a.b.sec --passphrase-file pass --lock-with wrong --out locked.sec");
    desk.ok("sign-file text --key locked.sec --passphrase-file wrong --out 2.asc");
    desk.ok("export-key --secret a.b.sec --passphrase-file pass --unlocked --out unlocked.sec");
    desk.ok("sign-file text --key unlocked.sec --out 3.asc");
    assert_eq!([desk.mode("locked.sec"), desk.mode("unlocked.sec")], [0o600, 0o600]);
    let ended = desk.run("export-key --secret unlocked.sec --unlocked");
    assert!(ended.code == 1 && ended.err.contains("--out"), "{}", ended.err);
    let ended = desk.run("export-key --secret unlocked.sec --unlocked --out locked.sec");
    assert!(ended.code == 1 && ended.err.contains("not overwritten"), "{}", ended.err);
}

#[test]
fn a_secret_that_others_can_read_is_refused_by_every_verb() {
    let desk = Desk::new();
    desk.keys(&["a.b"]);
    desk.file("text", b"hello\n", 0o644);
    std::fs::set_permissions(desk.at("a.b.sec"), std::fs::Permissions::from_mode(0o640)).unwrap();
    for line in [
        "sign-file text --key a.b.sec",
        "sign-key a.b.pub --key a.b.sec",
        "revoke-key --key a.b.sec --reason retired",
        "export-key --secret a.b.sec",
    ] {
        let ended = desk.run(line);
        assert_eq!(ended.code, 1, "{line}");
        assert!(ended.err.contains("(mode 0640): chmod 600 a.b.sec"), "{}", ended.err);
        assert_eq!(ended.out, "", "{line}");
    }
}

#[test]
fn no_verb_shows_what_is_in_a_wrong_file() {
    let desk = Desk::new();
    desk.keys(&["a.b"]);
    desk.file("wrong.sec", CANARY.as_bytes(), 0o600);
    let armor =
        format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{CANARY}\n-----END PGP PRIVATE KEY BLOCK-----\n");
    desk.file("broken.sec", armor.as_bytes(), 0o600);
    desk.file("text", b"hello\n", 0o644);
    for file in ["wrong.sec", "broken.sec", "a.b.sec"] {
        for line in [
            format!("sign-file text --key {file} --passphrase-file {file} --out x"),
            format!("sign-key {file} --key {file} --out x"),
            format!("sign-key a.b.pub --key wrong.sec --passphrase-file {file} --out x"),
            format!("revoke-key --key {file} --certification-of {file} --reason retired --out x"),
            format!("export-key {file} --out x"),
            format!("verify-signature {file} --config {file} --keyring {file}"),
            format!("list-keys --config {file} --keyring {file}"),
            format!("verify-ed25519-signature --pubkey {file} {file} {file}"),
        ] {
            let ended = desk.run(&line);
            let signs = line.starts_with("sign-file") && file == "a.b.sec";
            assert_eq!(ended.code == 0, signs, "{line}: {}", ended.err);
        }
        let _ = std::fs::remove_file(desk.at("x"));
    }
}

#[test]
fn sign_key_certifies_and_says_when_there_is_nothing_to_do() {
    let desk = Desk::new();
    desk.keys(&["keeper.b", "worker.b"]);
    desk.ok("sign-key worker.b.pub --key keeper.b.sec --out certified.pub");
    assert!(desk.read("certified.pub").len() > desk.read("worker.b.pub").len());
    assert_eq!(
        desk.ok("sign-key worker.b.pub --key keeper.b.sec").lines().next(),
        Some("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    );
    let ended = desk.run("sign-key certified.pub --key keeper.b.sec --out again.pub");
    assert!(ended.code == 0 && ended.err.contains("already"), "{}", ended.err);
    assert_eq!(desk.certificate("again.pub"), desk.certificate("certified.pub"));
    desk.ok("sign-key worker.b.pub --key keeper.b.sec --local --out local.pub");
    desk.ok("export-key local.pub --out exported.pub");
    assert_eq!(desk.certificate("exported.pub"), desk.certificate("worker.b.pub"));
    let ended = desk.run("sign-key worker.b.sec --key keeper.b.sec");
    assert!(ended.code == 1 && ended.err.contains("secret key"), "{}", ended.err);
    let ended = desk.run("sign-key worker.b.pub --key keeper.b.pub");
    assert!(ended.code == 1 && ended.err.contains("chmod 600"), "{}", ended.err);
}

#[test]
fn export_key_merges_what_several_files_know() {
    let desk = Desk::new();
    desk.keys(&["keeper.b", "worker.b"]);
    desk.ok("sign-key worker.b.pub --key keeper.b.sec --out certified.pub");
    desk.ok("revoke-key --key worker.b.sec --reason retired --out revoked.pub");
    desk.ok("export-key certified.pub revoked.pub --out both.pub");
    let expected = desk.certificate("certified.pub").merge(&desk.certificate("revoked.pub"));
    assert_eq!(desk.certificate("both.pub"), expected);
    desk.ok("export-key --secret worker.b.sec --out public.pub");
    assert_eq!(desk.certificate("public.pub"), desk.certificate("worker.b.pub"));
    let ended = desk.run("export-key worker.b.pub keeper.b.pub");
    assert!(ended.code == 1 && ended.err.contains("as in the first file"), "{}", ended.err);
}

#[test]
fn a_revocation_made_with_the_key_ends_it() {
    let desk = Desk::new();
    desk.ok("gen-key openpgp --user u --host a.b --algorithm ed25519 --revocation --out .");
    assert_eq!(desk.mode("a.b.rev"), 0o600);
    desk.ok("gen-key openpgp --user u --host keeper.b --algorithm ed25519 --out .");
    let ended = desk.run("sign-key a.b.rev --key keeper.b.sec");
    assert!(ended.code == 1 && ended.err.contains("was revoked"), "{}", ended.err);
    let ended = desk.run("revoke-key --key keeper.b.sec --certification-of a.b.pub --reason retired");
    assert!(ended.code == 1 && ended.err.contains("has not certified it"), "{}", ended.err);
}

#[test]
fn gen_key_ed25519_writes_base64() {
    let desk = Desk::new();
    let out = desk.ok("gen-key ed25519 --out keys");
    desk.ok("gen-key ed25519 --out keys --prefix scriptworker");
    assert_eq!(
        desk.files(),
        [
            "keys/private_key",
            "keys/public_key",
            "keys/scriptworker_private_key",
            "keys/scriptworker_public_key"
        ]
    );
    let public = String::from_utf8(desk.read("keys/public_key")).unwrap();
    assert_eq!((public.len(), out), (44, format!("{public}\n")));
    assert_eq!((desk.read("keys/private_key").len(), desk.mode("keys/private_key")), (44, 0o600));
    let ended = desk.run("gen-key ed25519 --out keys");
    assert!(ended.code == 1 && ended.err.contains("not overwritten"), "{}", ended.err);
}

#[test]
fn the_old_names_are_links_to_the_binary() {
    let desk = Desk::new();
    let link = |name: &str| {
        symlink(env!("CARGO_BIN_EXE_scriptworker"), desk.at(name)).unwrap();
        desk.at(name)
    };
    let create = link("create_gpg_keys");
    let line = "-u cltsign -s host1.fqdn.com -e 1y -o ./gpg -b /usr/bin/gpg2 --clean --short-names";
    let ended = desk.run_as(&create, line);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for option in ["--gpghome", "--gpgbin", "--clean"] {
        assert!(ended.err.contains(&format!("warning: {option} has no effect")), "{}", ended.err);
    }
    assert_eq!(desk.certificate("host1.pub").user_ids(), ["host1 <cltsign@host1.fqdn.com>"]);
    assert!(desk.at("host1.sec").exists());

    let verify = link("verify_ed25519_signature");
    desk.file("text", b"hello\n", 0o644);
    desk.ok("gen-key ed25519 --out .");
    let private = String::from_utf8(desk.read("private_key")).unwrap();
    let private = scriptworker_core::ed25519::PrivateKey::parse(&private).unwrap();
    desk.file("text.sig", private.sign(b"hello\n").as_bytes(), 0o644);
    let ended = desk.run_as(&verify, "--pubkey public_key text text.sig");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("verified with the public_key key"), "{}", ended.out);
    // without the key there are the built-in ones
    let ended = desk.run_as(&verify, "text text.sig");
    assert!(ended.code == 1 && ended.err.contains("none of 5 keys"), "{}", ended.err);
    desk.file("text", b"changed\n", 0o644);
    assert_eq!(desk.run_as(&verify, "--pubkey public_key text text.sig").code, 1);
    desk.file("text.sig", b"short", 0o644);
    let ended = desk.run_as(&verify, "--pubkey public_key text text.sig");
    assert!(ended.code == 1 && ended.err.contains("64 raw bytes"), "{}", ended.err);
}
