//! What an error answer becomes: its class, its code, and a text without secrets.

use super::*;

#[test]
fn secrets_do_not_survive_scrubbing() {
    let text = "see http://a/b?x=1&bewit=canary&y=2 and ext=\"canary\", Signature=canary<br>\nend";
    assert_eq!(
        scrub(text, 200),
        "see http://a/b?x=1&bewit=<snip>&y=2 and ext=<snip>\\\", Signature=<snip><br>\\nend"
    );
    assert_eq!(scrub("äöü", 2), "äö");
}

#[test]
fn a_page_of_somebody_else_is_never_the_services_own_no() {
    for (status, class) in [
        (200, RetryClass::Transient),
        (403, RetryClass::Fatal),
        (404, RetryClass::Fatal),
        (409, RetryClass::Fatal),
        (410, RetryClass::Fatal),
        (502, RetryClass::Transient),
    ] {
        assert_eq!(Failure::NotJson { status, start: String::new() }.class(), class, "{status}");
    }
}

#[test]
fn codes_read_and_show_their_names() {
    for name in ["RequestConflict", "InternalServerError", "SomethingNew"] {
        assert_eq!(ErrorCode::from_name(name).to_string(), name);
    }
    assert_eq!(ErrorCode::from_name("RequestConflict"), ErrorCode::RequestConflict);
    assert_eq!(ErrorCode::from_name("").to_string(), "no code");
}

#[test]
fn a_skewed_clock_is_told_in_words() {
    let refusal = |clock_skew_s| {
        Refusal {
            status: 401,
            code: ErrorCode::AuthenticationFailed,
            message: "bad mac".to_owned(),
            retry_after: None,
            clock_skew_s,
        }
        .to_string()
    };
    assert_eq!(refusal(None), "status 401 (AuthenticationFailed): bad mac");
    assert!(refusal(Some(-3600)).contains("3600 s behind"));
    assert!(refusal(Some(90)).contains("90 s ahead"));
}
