use super::*;
use serde_json::json;

fn read(text: &str) -> Result<Value, YamlError> {
    read_strict(text.as_bytes(), DocumentKind::TaskTemplate)
}

/// What PyYAML 6 makes of each, by its safe loader.
const SCALARS: &[(&str, &str)] = &[
    ("yes", "true"),
    ("No", "false"),
    ("ON", "true"),
    ("off", "false"),
    ("y", "\"y\""),
    ("tRUE", "\"tRUE\""),
    ("~", "null"),
    ("", "null"),
    ("nULL", "\"nULL\""),
    ("0", "0"),
    ("-0", "0"),
    ("+12", "12"),
    ("012", "10"),
    ("0o14", "\"0o14\""),
    ("08", "\"08\""),
    ("00", "0"),
    ("0b101", "5"),
    ("0x1F", "31"),
    ("-0x10", "-16"),
    ("1_000", "1000"),
    ("_1", "\"_1\""),
    ("1__0", "10"),
    ("12:30", "750"),
    ("1:30:45", "5445"),
    ("12:60", "\"12:60\""),
    ("0:30", "\"0:30\""),
    ("-1:30", "-90"),
    ("1.0", "1.0"),
    ("1.", "1.0"),
    (".5", "0.5"),
    ("-.5", "\"-.5\""),
    ("1e3", "\"1e3\""),
    ("1.5e3", "\"1.5e3\""),
    ("1.5e+3", "1500.0"),
    ("1_0.5_0", "10.5"),
    ("1.2.3", "\"1.2.3\""),
    (".", "\".\""),
    ("1.x", "\"1.x\""),
    ("'1'", "\"1\""),
    ("\"yes\"", "\"yes\""),
    ("!!str 5", "\"5\""),
    ("2026-01", "\"2026-01\""),
    ("2026-01-02x", "\"2026-01-02x\""),
    ("v2026-01-02", "\"v2026-01-02\""),
];

#[test]
fn a_scalar_means_what_the_python_worker_takes_it_for() {
    for (text, expected) in SCALARS {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(read(&format!("k: {text}\n")).unwrap(), json!({ "k": expected }), "{text}");
    }
}

#[test]
fn what_readers_take_differently_is_refused() {
    for text in [
        "k: 2026-01-02",
        "k: 2026-1-2",
        "k: 2026-01-02T10:11:12Z",
        "k: 2026-01-02 10:11:12.5 +2",
        "k: =",
        "k: 9007199254740993",
        "k: 99999999999999999999999999999999999999999999",
        "k: .inf",
        "k: .nan",
        "k: 1:30.5",
        "k: ! 5",
        "k: !!int 5",
        "k: !!binary aGk=",
        "k: !!python/object:os.system x",
        "k: !mine x",
        "k: !!set {a}",
        "1: x",
        "yes: x",
        "? [a]\n: x",
        "~: x",
        "k: 1.0e+999",
        // what only some readers take for lines, spaces, marks or anchors
        "k: a\u{85}b",
        "# a\u{2028}k: b",
        "k: 'a\u{2029}b'",
        "k: a\u{7}b",
        "k: a\tb",
        "- \ta",
        "{\n\tk: a\n}",
        "k: [?a]",
        "k: [|]",
        "k: [:a]",
        "k: <<",
        "<<: &x {a: 1}\nk: &x b",
        "k: &\u{e9} a",
        "k: &a.b c",
        "%YAML 1.2\n---\nk: a",
        "k: |\n  a",
        "k: >+\n  a",
        "|-\na",
        "...\n",
        "# -\n...\n- a\n",
        "k: |\t\n",
        "k: !!str |\t\n  a\n",
        "k: a\n# \u{feff}",
        "[a?b]",
        "{\"a\"\n: b}",
        "k: 'it''s'\t# c",
        "{a\n  b: c}",
    ] {
        assert!(matches!(read(text), Err(YamlError::Ambiguous { .. })), "{text}: {:?}", read(text));
    }
}

#[test]
fn row_104_a_key_twice_is_refused_wherever_it_is() {
    let error = read("a:\n  - b: 1\n    c: 2\n    b: 3\n").unwrap_err();
    let YamlError::DuplicateKey { path, spot } = error else { panic!("{error}") };
    assert_eq!((path.to_string().as_str(), spot), ("a[0].b", Spot { line: 4, column: 5 }));
    assert!(matches!(read("{a: 1, 'a': 2}"), Err(YamlError::DuplicateKey { .. })));
    assert!(matches!(read("a: {<<: {b: 1}, <<: {c: 1}}"), Err(YamlError::DuplicateKey { .. })));
}

#[test]
fn a_merge_gives_way_to_what_the_map_says() {
    let text = "x: &x {a: 1, b: 1}\ny: &y {b: 1, c: 2}\none: {<<: *x, a: 0}\nboth: {c: 0, <<: [*x, *y]}\n";
    let value = read(text).unwrap();
    assert_eq!(value["one"], json!({"a": 0, "b": 1}));
    assert_eq!(value["both"], json!({"a": 1, "b": 1, "c": 0}));
    for quoted in ["'<<'", "\"<<\"", "!!str <<"] {
        let value = read(&format!("a: {{{quoted}: {{b: 1}}}}")).unwrap();
        assert_eq!(value, json!({"a": {"<<": {"b": 1}}}), "only a plain one merges");
    }
    let disagree = "x: &x {aa: 1}\ny: &y {aa: 2}\nz: {<<: [*x, *y]}\n";
    assert!(matches!(read(disagree), Err(YamlError::Ambiguous { .. })));
    assert_eq!(read(&disagree.replace("<<", "aa: 3, <<")).unwrap()["z"], json!({"aa": 3}));
    assert!(matches!(read("a: {<<: 1}"), Err(YamlError::Syntax { .. })));
    assert!(matches!(read("a: {<<: [1]}"), Err(YamlError::Syntax { .. })));
}

#[test]
fn what_only_looks_like_that_is_read() {
    for (text, expected) in [
        ("k: \"a\tb\" # \tc\n", json!({"k": "a\tb"})),
        ("k: 'a\tb'\n", json!({"k": "a\tb"})),
        ("k: |\n  a\tb\n", json!({"k": "a\tb\n"})),
        ("k: |-\n  a", json!({"k": "a"})),
        ("k: |\n  a\nl: b", json!({"k": "a\n", "l": "b"})),
        ("k: ?a\nl: :b\n", json!({"k": "?a", "l": ":b"})),
        ("k: ['a?', \"b\\\"?\"]\n", json!({"k": ["a?", "b\"?"]})),
        ("k: a?b:c|d>e&f*g%h\n", json!({"k": "a?b:c|d>e&f*g%h"})),
        ("k: a &b\nl: c &b\n", json!({"k": "a &b", "l": "c &b"})),
        ("k: &a-1_B \"&c\" # &a-1_B\nl: *a-1_B\n", json!({"k": "&c", "l": "&c"})),
        ("k: !!str &a 5\nl: &b !!str 6\nm: [*a, *b]\n", json!({"k": "5", "l": "6", "m": ["5", "6"]})),
        ("k: &a [1]\nl: &b {m: *a}\n", json!({"k": [1], "l": {"m": [1]}})),
        ("\u{feff}k: \u{e9}\u{1f600}\n", json!({"k": "\u{e9}\u{1f600}"})),
    ] {
        assert_eq!(read(text).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn row_104_neither_aliases_nor_brackets_can_explode() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
    }
    assert!(matches!(read(&bomb), Err(YamlError::TooMuch { .. })));
    let mut merges = String::from("a0: &a0 {k0: 1}\n");
    for level in 1..100 {
        merges.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(matches!(read(&merges), Err(YamlError::TooMuch { .. })));
    assert!(matches!(read(&"[".repeat(100_000)), Err(YamlError::TooMuch { .. } | YamlError::Syntax { .. })));
    let long = format!("k: {}", "x".repeat(2 << 20));
    assert!(matches!(read(&long), Err(YamlError::TooLarge { .. })));
}

#[test]
fn a_broken_document_is_told_with_its_place() {
    for text in ["a: [1, 2\nb: 3\n", "a: 1\n---\nb: 2\n", "a: *nothing\n", "a: &x [*x]\n", "a:\n\tb: 1\n"] {
        assert!(matches!(read(text), Err(YamlError::Syntax { .. })), "{text}: {:?}", read(text));
    }
    assert!(matches!(
        read_strict(b"a: \xff", DocumentKind::TaskTemplate),
        Err(YamlError::NotUtf8 { offset: 3 })
    ));
    for empty in ["", " \n", "# c\n", "---\n", "\u{feff}"] {
        assert_eq!(read(empty).unwrap(), Value::Null, "{empty:?}");
    }
}
