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
fn a_merge_gives_way_to_what_the_map_says_and_the_first_wins() {
    let text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\none: {<<: *x, a: 0}\nboth: {c: 0, <<: [*x, *y]}\n";
    let value = read(text).unwrap();
    assert_eq!(value["one"], json!({"a": 0, "b": 1}));
    assert_eq!(value["both"], json!({"a": 1, "b": 1, "c": 0}));
    assert!(matches!(read("a: {<<: 1}"), Err(YamlError::Syntax { .. })));
    assert!(matches!(read("a: {<<: [1]}"), Err(YamlError::Syntax { .. })));
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
    assert_eq!(read("").unwrap(), Value::Null);
}
