//! What `check-config` says of the files that signing needs.

use super::{BASE, Place};
use std::os::unix::fs::PermissionsExt;

#[test]
fn key_files_are_looked_at() {
    let place = Place::new();
    let key = place.path("key");
    let text = BASE.replace("false", "true") + &format!("ed25519_private_key_path: {}\n", key.display());
    let (code, found) = place.check(&text, &[]);
    assert_eq!((code, found.len()), (Some(0), 2), "{found:#?}");
    assert!(found[0].starts_with("note: c.yaml:7:1: ed25519_private_key_path: "), "{found:#?}");
    let good = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n";
    for (content, mode, said) in [
        (good, 0o644, Some("others than its owner can read this secret")),
        ("Y2FuYXJ5\n", 0o600, Some("expected the base64 of 32 bytes")),
        (good, 0o600, None),
        (good, 0o400, None),
    ] {
        place.write("key", content);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let (code, found) = place.check(&text, &[]);
        match said {
            Some(said) => {
                assert_eq!(code, Some(1), "{found:#?}");
                assert!(found[0].starts_with("error: c.yaml:7:1: ed25519_private_key_path: "), "{found:#?}");
                assert!(found[0].contains(said) && !found[0].contains(content.trim()), "{found:#?}");
            }
            None => assert_eq!((code, found), (Some(0), vec!["no mistakes".to_owned()])),
        }
        std::fs::remove_file(&key).unwrap();
    }
    let (code, found) = place.check(&text.replace("ed25519_private_key_path: ", "gpg_home: "), &[]);
    assert_eq!(code, Some(1), "{found:#?}");
    assert!(found[0].contains("privkey_path: expected a path"), "{found:#?}");
}
