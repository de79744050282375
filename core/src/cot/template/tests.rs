use super::*;

const DECISION: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const OWN: &str = "CmNhbGwtbWUtb3duLXNsdQ";

fn try_to(template: Value) -> Result<Value, TemplateError> {
    let rendering = Rendering {
        template,
        context: json!({"tasks_for": "hg-push", "push": {"owner": "a@b"}, "list": [1, 2]})
            .as_object()
            .unwrap()
            .clone(),
        now: UnixMillis::parse("2026-11-25T20:00:00.000Z").unwrap(),
        decision: TaskId::parse(DECISION).unwrap(),
        own: TaskId::parse("Zpg6xKhKRU-pnkwylNQrMw").unwrap(),
    };
    render(&rendering)
}

fn rendered(template: Value) -> Value {
    let result = try_to(template).unwrap();
    let text = result.to_string().replace("Zpg6xKhKRU-pnkwylNQrMw", OWN);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn now_is_the_given_time_for_expressions_and_dates() {
    assert_eq!(
        rendered(json!({"created": {"$fromNow": ""}, "deadline": {"$fromNow": "1 day"}, "now": "${now}"})),
        json!({
            "created": "2026-11-25T20:00:00.000Z",
            "deadline": "2026-11-26T20:00:00.000Z",
            "now": "2026-11-25T20:00:00.000Z",
        })
    );
}

#[test]
fn a_slug_id_stands_wherever_an_expression_may_stand() {
    let cases = [
        (json!("${as_slugid(\"decision\")}"), json!(DECISION)),
        (json!("a ${ as_slugid ( 'default' ) } b"), json!(format!("a {OWN} b"))),
        (json!({"$eval": "as_slugid('decision_task')"}), json!(OWN)),
        (json!({"$eval": "[as_slugid('decision'), {x: as_slugid('x')}]"}), json!([DECISION, {"x": OWN}])),
        (json!({"$if": "as_slugid('decision') == 'x'", "then": 1, "else": 2}), json!(2)),
        (json!({"$switch": {"as_slugid('decision') == 'x'": 1, "$default": 2}}), json!(2)),
        (json!({"$match": {"as_slugid('decision') != 'x'": 1}}), json!([1])),
        (json!({"${as_slugid('decision')}": 1}), json!({DECISION: 1})),
        (json!({"$let": {"id": {"$eval": "as_slugid('decision')"}}, "in": ["${id}"]}), json!([DECISION])),
        (
            json!({"$map": {"$eval": "list"}, "each(x)": "${x}${as_slugid('decision')}"}),
            json!([format!("1{DECISION}"), format!("2{DECISION}")]),
        ),
        (json!({"$find": [1, 2], "each(x)": "as_slugid('decision') == x || x == 2"}), json!(2)),
        (json!({"$sort": [2, 1], "by(x)": "as_slugid('x') == 'y' ? x : x"}), json!(null)),
    ];
    for (template, expected) in cases {
        if template.get("$sort").is_some() {
            // JSON-e has no conditional expression: that it is refused by JSON-e shows that the call was replaced
            let error = try_to(template).unwrap_err();
            assert!(
                matches!(&error, TemplateError::Refused { message } if !message.contains("as_slugid(")),
                "{error}"
            );
            continue;
        }
        assert_eq!(rendered(template.clone()), expected, "{template}");
    }
}

#[test]
fn text_that_is_no_expression_stays_as_it_is() {
    for text in ["as_slugid('decision')", "$as_slugid(x) $$", "a } { ' \" as_slugid"] {
        assert_eq!(rendered(json!([text])), json!([text]));
    }
    assert_eq!(rendered(json!("$${as_slugid(x)}")), json!("${as_slugid(x)}"));
    assert_eq!(rendered(json!("${'}'}as_slugid")), json!("}as_slugid"));
}

#[test]
fn what_would_have_to_be_guessed_is_refused() {
    for template in [
        json!("${as_slugid(tasks_for)}"),
        json!("${as_slugid('a' + 'b')}"),
        json!({"$eval": "as_slugid"}),
        json!({"$eval": "defined('as_slugid')"}),
        json!({"$let": {"as_slugid": 1}, "in": 2}),
        json!({"$let": {"f": {"$eval": "as_slugid"}}, "in": {"$eval": "f('decision')"}}),
        json!({"$eval": "scriptworker_slugid_of_own"}),
        json!({"$eval": "my_as_slugid"}),
    ] {
        let result = try_to(template.clone());
        match template.pointer("/$eval").and_then(Value::as_str) {
            // harmless without the word: JSON-e does not know the name either way
            Some("scriptworker_slugid_of_own") => assert!(result.is_err(), "{template}"),
            _ => assert!(matches!(result, Err(TemplateError::Unsupported { .. })), "{template}: {result:?}"),
        }
    }
}

#[test]
fn an_expression_that_does_not_end_is_told() {
    let error = try_to(json!("${as_slugid('decision')")).unwrap_err();
    assert_eq!(error, TemplateError::Unterminated { found: "${as_slugid('decision')".to_owned() });
    assert!(matches!(try_to(json!("${1 +")), Err(TemplateError::Refused { .. })));
    assert!(matches!(try_to(json!({"$nosuch": 1})), Err(TemplateError::Refused { .. })));
}

#[test]
fn whole_numbers_stay_whole_as_values_and_in_what_json_writes() {
    let big =
        json!([4_294_967_295_i64, 5_000_000_000_i64, -4_294_967_296_i64, 9_007_199_254_740_991_i64, 1, 1.5]);
    assert_eq!(try_to(json!({"n": big})).unwrap(), json!({"n": big}));
    let text = "[4294967295,5000000000,-4294967296,9007199254740991,1,1.5]";
    assert_eq!(try_to(json!({"$json": big})).unwrap(), json!(text));
    let nested = json!({"$let": {"inner": {"$json": {"n": 5_000_000_000_i64}}},
        "in": {"${inner}": {"$json": {"a": {"$eval": "inner"}}}, "b": "x ${inner} y"}});
    let expected =
        r#"{"b":"x {\"n\":5000000000} y","{\"n\":5000000000}":"{\"a\":\"{\\\"n\\\":5000000000}\"}"}"#;
    assert_eq!(try_to(nested).unwrap(), serde_json::from_str::<Value>(expected).unwrap());
    // a text that only looks like that is told from it
    let alike = json!({"a": "5000000000.0", "b": {"$json": ["5000000000.0", 5_000_000_000_i64]}});
    assert_eq!(try_to(alike).unwrap(), json!({"a": "5000000000.0", "b": "[\"5000000000.0\",5000000000]"}));
}

#[test]
fn a_template_that_looks_at_the_text_of_a_big_number_is_refused() {
    let text = json!({"$json": 5_000_000_000_i64});
    for expression in ["text[:3]", "len(text)", "text[-1]"] {
        let template = json!({"$let": {"text": text}, "in": [{"$eval": expression}, "${text}"]});
        let found = "an expression about a text that it wrote";
        assert_eq!(try_to(template).unwrap_err(), TemplateError::differs("$json", found), "{expression}");
    }
    let small = json!({"$let": {"text": {"$json": 500}}, "in": {"$eval": "len(text)"}});
    assert_eq!(try_to(small).unwrap(), json!(3));
    let passed_on = json!({"$let": {"text": text}, "in": {"a": "${text}", "b": {"$eval": "[text]"}}});
    assert_eq!(try_to(passed_on).unwrap(), json!({"a": "5000000000", "b": ["5000000000"]}));
}

#[test]
fn pieces_are_those_of_every_implementation_or_none() {
    for (expression, expected) in [
        ("split('a,b', ',')", json!(["a", "b"])),
        ("split('ab', ', ')", json!(["ab"])),
        ("split('', ',')", json!([""])),
        ("split('abc', '')", json!(["a", "b", "c"])),
        ("split('152', 5)", json!(["1", "2"])),
        ("split(tasks_for, '-')[0]", json!("hg")),
        ("join(split(push.owner + '-c', '@'), '.')", json!("a.b-c")),
        ("len(split(split('a.b c', ' ')[0], '.'))", json!(2)),
        ("split( join(['(', ')'], ',') , as_slugid('decision') )", json!(["(,)"])),
        ("{split: 1}.split", json!(1)),
    ] {
        assert_eq!(try_to(json!({"$eval": expression})).unwrap(), expected, "{expression}");
    }
    assert_eq!(try_to(json!("x ${split('a/b', '/')[1]} split(y) ${1}")).unwrap(), json!("x b split(y) 1"));
    let empty = TemplateError::differs("split", "a text with an empty piece");
    for expression in [
        "split('https://x', '/')",
        "split(',a', ',')",
        "split('a,', ',')",
        "split(',', ',')",
        "split('', '')",
        "split(split('a::b', ':')[0], 'x')",
    ] {
        assert_eq!(try_to(json!({"$eval": expression})).unwrap_err(), empty, "{expression}");
    }
    for expression in ["split", "[split][0]('a', 'b')", "split('a')", "split"] {
        let error = try_to(json!({"$eval": expression})).unwrap_err();
        assert!(
            matches!(&error, TemplateError::Differs { place, .. } if place == "split"),
            "{expression}: {error}"
        );
    }
    let error = try_to(json!({"$eval": "scriptworker_split_of_an_empty_piece"})).unwrap_err();
    assert!(matches!(error, TemplateError::Unsupported { .. } | TemplateError::Differs { .. }), "{error}");
}
