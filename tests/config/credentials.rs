//! Where the worker's own credentials come from, and that they are never shown.

use crate::place::{BASE, CANARY, Place, summary, with, without};
use scriptworker::config::Rule;

#[test]
fn credentials_come_from_the_first_source_that_has_them() {
    let json = |who: &str| format!(r#"{{"credentials": {{"clientId": "{who}", "accessToken": "t"}}}}"#);
    let mut place = Place::new().var("TASKCLUSTER_CLIENT_ID", "env").var("TASKCLUSTER_ACCESS_TOKEN", "t");
    let who = |place: &Place, text: &str| place.load(text).unwrap().credentials.client_id;
    let none = without("credentials");
    assert_eq!(who(&place, &none), "env");
    place.write("etc/.scriptworker", json("etc"));
    assert_eq!(who(&place, &none), "env", "HOME is set, so /etc is not asked");
    place.write("home/.scriptworker", json("home"));
    assert_eq!(who(&place, &none), "home");
    place.write("cwd/secrets.json", json("secrets"));
    assert_eq!(who(&place, &none), "secrets");
    assert_eq!(who(&place, BASE), "me");
    for empty in ["credentials: ~", "credentials: {}"] {
        assert_eq!(who(&place, &format!("{none}{empty}\n")), "secrets", "{empty}");
    }
    place.write("cwd/secrets.json", r#"{"other": 1, "credentials": null}"#);
    assert_eq!(who(&place, &none), "home");
    place.env.home = None;
    assert_eq!(who(&place, &none), "etc");
}

#[test]
fn no_or_bad_credentials_are_reported_and_never_shown() {
    let place = Place::new();
    let none = without("credentials");
    assert_eq!(summary(&place.problems(&none)), [("credentials", Rule::NeedsToBeDefined)]);
    let secrets = place.dir.path().join("cwd/secrets.json");
    for (text, key, rule) in [
        ("{\"credentials\": canary-token", "", Rule::Syntax),
        ("[\"canary-token\"]", "", Rule::NotAMap),
        (r#"{"credentials": "canary-token"}"#, "credentials", Rule::WrongType),
        (
            r#"{"credentials": {"accessToken": "canary-token"}}"#,
            "credentials.clientId",
            Rule::NeedsToBeDefined,
        ),
        (
            r#"{"credentials": {"clientId": "x", "accessToken": ["canary-token"]}}"#,
            "credentials.accessToken",
            Rule::WrongType,
        ),
        (
            r#"{"credentials": {"clientId": "x", "accessToken": "y", "certificate": "canary-token"}}"#,
            "credentials.certificate",
            Rule::OutOfRange,
        ),
    ] {
        place.write("cwd/secrets.json", text);
        let errors = place.load(&none).unwrap_err();
        assert_eq!(summary(&errors.problems), [(key, rule)], "{text}");
        assert_eq!(errors.problems[0].file.as_ref(), Some(&secrets));
        assert!(!format!("{errors} {errors:?}").contains(CANARY), "{errors:?}");
    }
    let errors = place.load(&with("github_oauth_token: [canary-token]")).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains(CANARY), "{errors:?}");
    let loaded = place.load(BASE).unwrap();
    assert!(!format!("{loaded:?}").contains(CANARY), "{loaded:?}");
}

#[test]
fn temporary_credentials_keep_their_certificate() {
    let place = Place::new()
        .var("TASKCLUSTER_CLIENT_ID", "env")
        .var("TASKCLUSTER_ACCESS_TOKEN", "t")
        .var("TASKCLUSTER_CERTIFICATE", "{\"version\": 1}");
    let credentials = place.load(&without("credentials")).unwrap().credentials;
    assert_eq!(credentials.certificate.unwrap().expose(), "{\"version\": 1}");
    let place = place.var("TASKCLUSTER_CERTIFICATE", CANARY);
    let problems = place.problems(&without("credentials"));
    assert_eq!(summary(&problems), [("TASKCLUSTER_CERTIFICATE", Rule::OutOfRange)]);
}
