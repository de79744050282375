use super::*;

const DECISION: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const OWN: &str = "CmNhbGwtbWUtb3duLXNsdQ";

fn rendering(template: Value) -> Rendering {
    Rendering {
        template,
        context: json!({"tasks_for": "hg-push", "push": {"owner": "a@b"}, "list": [1, 2]})
            .as_object()
            .unwrap()
            .clone(),
        now: UnixMillis::parse("2026-11-25T20:00:00.000Z").unwrap(),
        decision: TaskId::parse(DECISION).unwrap(),
        own: TaskId::parse("Zpg6xKhKRU-pnkwylNQrMw").unwrap(),
    }
}

fn try_to(template: Value) -> Result<Value, TemplateError> {
    render(&rendering(template))
}

/// With one name in the context.
fn try_with(name: &str, value: impl Into<Value>, template: Value) -> Result<Value, TemplateError> {
    let context = Map::from_iter([(name.to_owned(), value.into())]);
    render(&Rendering { context, ..rendering(template) })
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
        (
            json!({"$sort": [{"a": 2}, {"a": 1}], "by(x)": "[x.a, as_slugid('x')][0]"}),
            json!([{"a": 1}, {"a": 2}]),
        ),
        // the braces of a map do not end an expression
        (json!("${{a: {b: 'x'}}.a.b + as_slugid('decision')} }"), json!(format!("x{DECISION} }}"))),
    ];
    for (template, expected) in cases {
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
    assert_eq!(rendered(json!({"$eval": "'split (a)'"})), json!("split (a)"));
    // keys that only mean something beside an operator, or beside another one
    let plain = json!({"by(x)": "as_slugid('x')", "each(x)": "as_slugid"});
    assert_eq!(rendered(plain.clone()), plain);
    let map = json!({"$map": {"$eval": "list"}, "each(x)": "as_slugid('x')"});
    assert_eq!(rendered(map), json!(["as_slugid('x')", "as_slugid('x')"]));
}

#[test]
fn a_context_with_a_name_of_the_renderers_own_is_refused() {
    for name in [
        "as_slugid",
        "scriptworker_slugid_of_decision",
        "scriptworker_slugid_of_own",
        "scriptworker_split_of_an_empty_piece",
    ] {
        let refused =
            TemplateError::Unsupported { place: "the context".to_owned(), found: "as_slugid".to_owned() };
        assert_eq!(try_with(name, 1, json!("x")).unwrap_err(), refused, "{name}");
    }
    assert_eq!(try_with("other", 1, json!("${other}")).unwrap(), json!("1"));
}

#[test]
fn what_would_have_to_be_guessed_is_refused() {
    for template in [
        json!("${as_slugid(tasks_for)}"),
        json!("${as_slugid('a' + 'b')}"),
        json!({"$eval": "as_slugid"}),
        json!({"$eval": "defined('as_slugid')"}),
        json!({"$eval": "'as_slugid(\"decision\")'"}),
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
fn a_big_number_in_a_text_that_only_expressions_see_is_found() {
    let big = 5_000_000_000_i64;
    let looks = json!({"$let": {"text": {"$json": {"$eval": "big"}}}, "in": {"$eval": "len(text)"}});
    let refused = TemplateError::differs("$json", "an expression about a text that it wrote");
    assert_eq!(try_with("big", big, looks.clone()).unwrap_err(), refused);
    assert_eq!(try_with("big", vec![json!({"a": big})], looks.clone()).unwrap_err(), refused);
    assert_eq!(try_with("big", 500, looks).unwrap(), json!(3));
    for template in [
        json!({"$let": {"text": {"$json": big}}, "in": {"$eval": "len(text)"}}),
        json!({"$find": [{"$json": big}], "each(x)": "len(x) == 12"}),
        json!({"$reduce": [[], 1], "initial": "",
            "each(sum, x)": {"$if": "x", "then": {"$eval": "len(sum)"}, "else": {"$json": big}}}),
    ] {
        assert_eq!(try_to(template.clone()).unwrap_err(), refused, "{template}");
    }
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
        "split('/' + 'a', '/')",
    ] {
        assert_eq!(try_to(json!({"$eval": expression})).unwrap_err(), empty, "{expression}");
    }
    let behind_a_map = json!("${{a: 'x'}.a + join(split('/b', '/'), '')}");
    assert_eq!(try_to(behind_a_map).unwrap_err(), empty);
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

/// The library parses brackets slowly, and a guarded call repeats its values.
#[test]
fn only_what_is_no_name_and_no_text_gets_brackets() {
    for (call, expected) in [
        ("(push.owner, '@') x", "[split(push.owner, '@'), "),
        ("('a', \"b\") x", "[split('a', \"b\"), "),
        ("(a + b, 'c' + 'd') x", "[split((a + b), ('c' + 'd')), "),
    ] {
        let (guarded, after) = splits::guarded(call).unwrap();
        assert!(guarded.starts_with(expected), "{guarded}");
        assert_eq!(after, " x");
    }
}
