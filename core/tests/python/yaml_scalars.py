"""What PyYAML's safe loader makes of scalars of every form, and of some structures: `../fixtures/yaml_scalars.json`.

One line for each document: the text, then what it is: "value" and the value, "error", or what JSON cannot hold.
"""

import datetime
import itertools
import json
import math
import sys

import yaml


def cases(word):
    return ["".join(letters) for letters in itertools.product(*[(c.lower(), c.upper()) for c in word])]


WHOLE = """0 1 9 10 123 1_000 1__0 1_ _1 0_0 _ 00 01 07 012 0777 08 09 0_7 07_ 0_8 0o7 0o17 0O7 0x0 0x1F 0xff 0XFF 0x
0x_ 0x_1 0xG 0x1_f 0xdead_beef 0b0 0b1 0b101 0b 0b2 0B1 0b1_0 0b_ 0b_1 1:0 1:30 1:59 1:60 12:30:45 0:30 01:30 190:20:30
1:2:3:4 1: 1:30: 1:030 1_0:30 00:30 8:8 59:59:59 1:5_0 1:-3 12:30:60 9_:1 1a 12b 0x1p3 1,000 1.000 1'000 ١٢""".split()
LARGE = """4294967295 4294967296 5000000000 1_764_115_200 9007199254740991 9007199254740992 9007199254740993
9223372036854775807 18446744073709551616 100000000000000000000 0x20000000000000 0x20000000000001 0777777777777777777777
0b11111111111111111111111111111111111111111111111111111111 2501999792983609:04""".split()
FRACTIONS = """0.0 1.0 1. .5 . .. ... 1.5 01.5 1_0.5 1.5_ 1._5 .5_ ._5 ._ 1e3 1.e3 1.0e3 1.0e+3 1.0e-3 1.5E+3 1.5e+ 1.5e
.5e+3 .5e3 .e+3 1e+3 1E5 12e03 1.0e+03 1.2.3 1.5:3 1:30.5 1:30. 1:30.5_ 190:20:30.15 1:60.5 0:30.5 685.230_15e+03 0x1.8
0b1.1 1.0e+3_0 1_.0 00.5 08.5 1.0f 1.0e+3x 6.02214076e+23 123456789.123456789 0.1 0.30000000000000004
1.7976931348623157e+308 1.0e+999 5.0e-324 1.0e-999 2.2250738585072014e-308 0.000001 100000000000000000000.0
9007199254740993.0 1.0e+16 3.14159265358979 3_6.6 1.e+2 1._e+2""".split()
SPECIAL = [".inf", ".nan", "inf", "nan", "Infinity", "NaN", *cases(".inf")[:4], ".Inf", ".INF", ".NaN", ".NAN", ".nAN"]
FLAGS = [form for word in ("yes", "no", "on", "off", "true", "false", "y", "n", "null") for form in cases(word)]
EMPTY = ["", "~", "~~", "None", "none", "nil", "undefined", "-~"]
DATES = """2001-12-14 2001-1-1 2001-1-01 2001-13-45 1-1-1 01-01-01 20011214 2001-12 2001-12-14T21:59:43
2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z 2001-12-14T21:59:43.123456789Z 2001-12-14T21:59 2001-12-14T1:2:3
2001-12-14T21:59:43+0530 2001-12-14T21:59:43+5:30 2001-12-14T21:59:43.Z 2001-12-14T 2001-12-14x 2001-12-1416
2001_12-14 -2001-12-14 2001-12-14T25:00:00 2001-02-30 2001-12-14T21:59:43.1x 2001-12-14T21-59-43 0000-01-01 9999-12-31
12001-01-01 2001-12-14T21:59:43+123""".split() + [
    "2001-12-14 21:59:43.10 -5", "2001-12-15 2:59:43.10", "2001-12-14 21:59:43 Z", "2001-12-14  21:59:43",
    "2001-12-14 21:59", "2001-12-14 x", "2001-12-14 21:59:43 +1:00", "2001-12-14\t21:59:43", "2001-12-14 10:11:12 am",
    "2001-12-14 Z",
]
WORDS = [
    "a", "word", "two words", "a b  c", "http://host:80/path", "a:b", "::", "a::b", "a: b", "a:", ": a", ":a", "a #b",
    "a# b", "#a", "# a", "-", "- a", "-a", "--", "---", "--- a", "?", "? a", "?a", "=", "= a", "==", "<<", "< <", "<<<",
    "@a", "`a", "%a", "&a", "&a b", "*a", "!", "! 5", "! a", "! '5'", "|", ">", "|x", ">x", "| x", ",", ",a", "a,b",
    "a, b", "[", "]", "{", "}", "a]", "a}", "a[b", "a{b", "[a", "{a", "a]b", "'", '"', "'a", '"a', "a'b", 'a"b', "''",
    '""', "'a' b", '"a" b', "'''", "''''", "'it''s'", "$a", "${a}", "$${a}", "$", "{$eval: 'a'}", "\\", "\\n", "a\\tb",
    "~a", "~/bin", "a\tb", "a ", " a", "\ta", "a\t", "é", "ü ö", "日本", "😀", "a\u00a0b", "\u00a0", "\ufeffa", "a\ufeff",
    "a\u0085b", "a\u2028b", "a\u2029b", "'a\u0085b'", "'a\u2028b'", '"a\u2029b"', "a # c\u2028d", "a # c\u0085d",
    "a\u200bb", "a\u0007b", "a\u0000b", "'a\u0001b'", '"a\u007fb"', "a\u009fb", "a\ud7ffb", "a\ue000b", "a\ufffdb",
    "a\ufffeb", "a\uffffb", "\U0010ffff", "a\u001bb",
]
QUOTED = ["'{}'".format(text) for text in "1 1.0 yes ~ null 0x1 2001-12-14 = << 1:30 ! & # %".split()] + [
    '"{}"'.format(text) for text in """1 1.0 yes ~ null 0x1 2001-12-14 = << 1:30 \\0 \\a \\b \\t \\n \\v \\f \\r \\e \\"
    \\/ \\\\ \\N \\_ \\L \\P \\x41 \\x4 \\xZZ \\xe9 \\x85 \\u0041 \\u00e9 \\u20ac \\u004 \\ud83d \\ud83d\\ude00 \\ud800x
    \\U0001f600 \\U0001F60 \\U00110000 \\q \\' \\1 \\x00 \\s \\U0000d800 \\ufffe \\uffff é 日 😀 ' # : [ { \\\\\\" \\\\n
    \\u2028 \\x7f""".split()
] + ['"a\\ b"', '"a\\\tb"', '" a "', "' a '", '"a  b"', '"#"', '"a: b"', "'a # b'", '"\t"', "'\t'", '"a\tb"']
TAGS = [
    tag + " " + text
    for tag in ("!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!!timestamp", "!!seq", "!!map", "!!set",
                "!!omap", "!!pairs", "!!merge", "!!value", "!!python/none", "!!python/str", "!!nosuch", "!local", "!",
                "!<tag:yaml.org,2002:str>", "!<tag:yaml.org,2002:int>", "!e!x")
    for text in ("1", "'1'", "1.5", "yes", "~", "", "a", "aGk=", "2001-12-14", "[a]", "{a: b}")
]
SCALARS = list(dict.fromkeys(
    [sign + body for body in WHOLE + FRACTIONS + SPECIAL for sign in ("", "-", "+")]
    + LARGE + ["-" + body for body in LARGE] + FLAGS + EMPTY + DATES + WORDS + QUOTED
))
PLACES = ["k: {}\n", "- {}", "[{}, x]\n", "{{k: {}}}\n"]

INDICATORS = ["", "-", "+", "1", "2", "3", "2-", "-2", "2+", "+2", "0", "10", "--", "x", " -", "- # c", "-# c", " # c"]
BODIES = [
    "", "  a\n", "  a", "  a\n\n", "  a\n\n\n", "  a\n  b\n", "  a\n\n  b\n", "  a\n\n\n  b\n", "\n  a\n", "\n\n  a\n",
    "  a\n    b\n  c\n", "  a\n\n    b\n\n  c\n", "    a\n  b\n", "   a\n   b\n", " a\n", "  a\n  # b\n", "  a\n# b\n",
    "  a\n \n  b\n", "  a\n   \n  b\n", "  \n  a\n", "    \n  a\n", "  a \n  b\t\n", "  \ta\n", "\t\n  a\n", "  a\n  \tb\n  c\n",
    "  - a\n  - b\n", "  a: b\n", "  a\nl: 1\n", "  a\n\nl: 1\n", "  a\n # b\nl: 1\n", "  a \\\n  b\n", "  'a'\n", "  ${a}\n",
    "  a\r\n  b\r\n", "  a\n  ---\n", "  a\n...\n",
]
BLOCKS = ["k: " + style + header + "\n" + body for style in "|>" for header in INDICATORS for body in BODIES]
BLOCKS += ["- " + style + header + "\n" + body for style in "|>" for header in ("", "-", "+", "1") for body in BODIES[:12]]

STRUCTURES = [
    "", "\n", "# c\n", "---\n", "--- # c\n", "---\n...\n", "...\n", "a", "a\n...\n", "a\n--- b\n", "a: 1\n---\nb: 2\n",
    "--- a\n", "---a\n", "---\ta\n", "--- |\n a\n", "--- {a: 1}\n", "--- a: 1\n", "%YAML 1.1\n---\na: yes\n",
    "%YAML 1.2\n---\na: yes\n", "%YAML 2.0\n---\na\n", "%TAG ! tag:x,2000:\n---\na\n", "%TAG !y! tag:yaml.org,2002:\n---\n!y!str 1\n",
    "%NOSUCH x\n---\na\n", "%YAML 1.1\na\n", "\ufeffa: 1\n", "a: 1\n\ufeffb: 2\n", "--- a\n\ufeff--- b\n",
    "k: a\n  b\n", "k: a\n\n  b\n", "k: a\n\n\n  b\n", "k: a\nb\n", "k: a\n b # c\n", "k: a # c\n b\n", "k: a\n  # c\n  b\n",
    "k:\n  a\n  b\n", "k:\n  1\n  2\n", "k: 1\n  2\n", "k: a\n  - b\n", "k: a\n  b: c\n", "k: yes\n  no\n", "k: a\t\n\tb\n",
    "- a\n  b\n", "- a\n b\n", "- a\nb\n", "k: 'a\n  b'\n", "k: 'a\n\n  b'\n", "k: 'a \n  b'\n", "k: 'a\n'\n", "k: '\n a'\n",
    "k: 'a\nb'\n", 'k: "a\n  b"\n', 'k: "a\n\n  b"\n', 'k: "a \n  b"\n', 'k: "a\\\n  b"\n', 'k: "a \\\n  b"\n',
    'k: "a\\\n  \\ b"\n', 'k: "a\\n\n  b"\n', 'k: "\n\n a"\n', 'k: "a\nb"\n', "k: 'a\n---\nb'\n", 'k: "a\n... b"\n',
    "a: 1\na: 2\n", "a: 1\n'a': 2\n", "{a: 1, b: 2, a: 3}\n", "1: a\n", "yes: a\n", "~: a\n", ": a\n", "1.5: a\n",
    "2001-12-14: a\n", "'1': a\n", "!!str 1: a\n", "? a\n", "? a\n: b\n", "? [a]\n: b\n", "? {a: b}\n: c\n", "? a\n: b\n? c\n",
    "? - a\n: - b\n", "?\n: a\n", "on: push\n", "=: a\n", "[a]: b\n", "{a: b}: c\n", "&x a: b\n", "*x : b\n",
    "[]", "{}", "[a]", "[a, ]", "[a,, b]", "[, a]", "[a b]", "[a: 1]", "[a: 1, b: 2]", "[? a : b]", "[a,\n b]", "[a\n b]",
    "[\na\n]", "[a # c\n, b]", "[a#c]", "{a}", "{a, b}", "{a: }", "{a:1}", "{a: 1, }", "{a: 1,, b: 2}", "{a :1}", "{a : 1}",
    '{"a":1}', "{'a':1}", '{"a": 1, "b": [1, 2]}', "{a: b: c}", "{? a : b}", "{: a}", "{a: [b, {c: d}]}", "{a: 'b', 'c': d}",
    "[a:b, c]", "[http://a/b, c]", "[a:, b]", "[::, a]", "[a: , b]", "[a:]", "{a:}", "{a:, b: 1}", "[-, a]", "[-a]", "[- a]",
    "[?, a]", "[?a]", "{?a: 1}", "[a]b", "[a] b", "{a: 1} b", "k: [a\n", "k: {a: 1\n", "k: [a,\nb]\n", "k: [\n]\n", "k: {\n}\n",
    "[\"a\":1]", "['a' : 1]", "[a, [b, [c]]]", "[[a], {b: [c]}]", "{a: {b: {c: d}}}", "[!!str 1, !!str yes]", "[&x a, *x]",
    "[a\u2028b]", "{a: \tb}", "[\ta]", "{\n\ta: 1\n}\n", "k:\n\t- a\n", "-\ta\n", "- \ta\n", "k:\ta\n", "k: \ta\n", "k :a\n", "k : a\n",
    "\tk: a\n", "k:\n  a: 1\n   b: 2\n", "k:\n  a: 1\n b: 2\n", "k:\n - a\n - b\n", "k:\n- a\n- b\n", "k:\n- a\n-b\n", "- - a\n  - b\n- c\n",
    "- a: 1\n  b: 2\n- c: 3\n", "-\n  a: 1\n", "- \n- a\n", "-\n-\n", "k:\n-\n", "k: - a\n", "- a\n k: b\n", "a: 1\n- b\n", "a\nb: 1\n",
    "x: &a 1\ny: *a\n", "x: &a {b: 1}\ny: *a\n", "x: &a [1]\ny: [*a, *a]\n", "x: *a\n", "x: &a\ny: *a\n", "x: &a 1\ny: &a 2\nz: *a\n",
    "x: &a !!str 1\ny: *a\n", "x: !!str &a 1\ny: *a\n", "x: &a\n  b: 1\ny: *a\n", "&a x: 1\ny: *a\n", "x: &a-b_c.d 1\ny: *a-b_c.d\n",
    "x: &é 1\ny: *é\n", "x: &a,b 1\n", "x: &a: 1\ny: *a:\n", "x: & a\n", "x: &a &b c\n", "&a {x: 1}\n", "- &a b\n- *a\n", "*a\n", "x: &a *a\n",
    "x: &a [*a]\n", "x: {<<: {a: 1}}\n", "x: {<<: {a: 1}, a: 2}\n", "x: {a: 2, <<: {a: 1}}\n", "x: {<<: [{a: 1}, {a: 2, b: 3}]}\n",
    "x: {<<: []}\n", "x: {<<: {}}\n", "x: {<<: }\n", "x: {<<: 1}\n", "x: {<<: [1]}\n", "x: {<<: [[{a: 1}]]}\n", "x: {<<: {a: 1}, <<: {b: 2}}\n",
    "x: {'<<': {a: 1}}\n", 'x: {"<<": {a: 1}}\n', "x: {!!str <<: {a: 1}}\n", "x: {!!merge <<: {a: 1}}\n", "x: {'<<': 1}\n", "x: {<<: {<<: {a: 1}, b: 2}}\n",
    "x: {'<<': 1, <<: {a: 1}}\n", "x: {<<: {a: 1}, '<<': 1}\n", "x: {<<: {'<<': 1}}\n", "x: {<<: {1: 2}}\n",
    "d: &d\n  a: 1\n  b: {c: 1}\ne:\n  <<: *d\n  b: {d: 2}\n", "d: &d {a: 1}\ne: &e {<<: *d, b: 2}\nf: {<<: *e, a: 3}\n",
    "d: &d {a: 1}\nf: &f {b: 2}\ne:\n  <<: [*d, *f]\n  c: 3\n", "x: <<\n", "<<: a\n", "<<: {a: 1}\nb: 2\n", "- <<: {a: 1}\n", "[<<]\n", "- <<\n",
    "x: {=: 1}\n", "x: {<<: {=: 1}}\n", "x: !!set {a, b}\n", "x: !!set {a: 1}\n", "x: !!omap [a: 1]\n", "x: !!map {a: 1}\n", "x: !!seq [a]\n",
    "x: !!seq {a: 1}\n", "x: !!map [a]\n", "x: !!str\n", "x: !!str\ny: 1\n", "x: !!str {a: 1}\n", "x: !local {a: 1}\n", "x: ! {a: 1}\n", "x: ! [a]\n",
    "x: !!str |\n  1\n", "x: !!int |\n  1\n", "x: !!str\n  1\n", "x: !!str 'a'\n", "x: !!binary |\n  aGk=\n", "a: 1\r\nb: 2\r\n", "a: 1\rb: 2\r",
    "k: a\r\n  b\r\n", "k: 'a\r\n  b'\r\n", "k: a\u0085l: b\n", "k: a\u2028l: b\n", "# c\u2028k: 1\n", "# c\u0085k: 1\n", "# c\rk: 1\n", "k: |\n  a\u2028  b\n",
    "k: |\n  a\u0085  b\n", "k: 'a\u0085  b'\n", "k: a \n", "k: a\n ", "k: a\n\t", "k: a\n\t\n", "k: a\n\t# c\n", "k:   # c\n  a\n", "k:\n\n\n  a\n", "k: # c\n",
    "k: a# c\n", "k: 'a'# c\n", "k: 'a' # c\n", "k: [a]# c\n", "k: |# c\n  a\n", "k: > # c\n  a\n", "k: &x# c\n", "# c\nk: a\n# c\n", "  k: a\n", "  k: a\n  l: b\n",
    "  k: a\nl: b\n", "k: a\n  l: b\n", "k:a\n", "k:\n", "k", "'k': a\n", '"k": a\n', "'k':a\n", '"k" : a\n', "k: a: b\n", "k: 'a: b'\n", "k: a:b\n",
    "k: @a\n", "k: a@b\n", "k: %a\n", "k: a%b\n", "k: `a`\n", "a b: c\n", "a, b: c\n", "a]: c\n", "a#b: c\n", "a #b: c\n", "-a: b\n", "?a: b\n", ":a: b\n", "a:b: c\n",
    "{a\n: 1}", "[a\n b: c]", '{"a"\n: 1}', "{a\n  b: c}", "{'a\n  b': c}", "k: |\t\n  a\n", "k: | \t# c\n  a\n", "k: &a.b c\n", "k: &a\tb\n",
    "k: a\t# c\n", "k: 'a'\t# c\n", "k: 'a'\t\n", "[a,\tb]\n", "k: >\n  a\n  \n", "x: {<<: [{aa: 1}, {aa: 2}]}\n", "x: {<<: [{aa: 1}, {aa: 1, bb: 2}]}\n",
    "a: &a {aa: 1}\nb: &b {aa: 2}\nc: {<<: [*a, *b]}\n", "a: &a {aa: 1}\nb: &b {aa: 2}\nc: {<<: [*b, *a], aa: 3}\n",
    "a: &a {aa: 1}\nb: &b {<<: *a, bb: 2}\nc: {<<: [*a, *b]}\n", "---\n---\n", " \n# c\n", "\ufeff", "\ufeff# c\n", "\t\n", "k: a # \tc\n", "# \tc\nk: a\n",
    "$let: {a: 1}\nin: {$eval: a}\n", "{$if: 'a == \"b\"', then: 1, else: 2}\n", "a: ${b}\n", "a: ${b['c']}\n", "a: {$eval: b[\"c\"]}\n", "a: {$eval: 'b[0]'}\n",
    "a: ${b}-${c}\n", "${a}: b\n", "\"${a}\": b\n", "{${a}: b}\n", "[${a}]\n", "- $if: 'a'\n  then: b\n", "$switch:\n  'a == 1': b\n  $default: c\n",
    "a: {$fromNow: ''}\n", "a: {$map: [1, 2], each(x): {$eval: x}}\n", "each(x,i): 1\n", "{each(x,i): 1}\n", "{each(x): 1}\n", "a: {$eval: x - 1}\n", "x" * 130 + ": a\n",
    "x" * 1100 + ": a\n", "'" + "x" * 1100 + "': a\n", "[" + "x" * 1100 + ": a]\n",
]


def category(value):
    """What JSON cannot hold, or what our reader may not take: a word for it. None for everything else."""
    if isinstance(value, (datetime.date, datetime.datetime)):
        return "date"
    if isinstance(value, bytes):
        return "bytes"
    if isinstance(value, (set, tuple)):
        return "set"
    if isinstance(value, float) and not math.isfinite(value):
        return "infinite"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return "large"
    if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        return "surrogate"
    if isinstance(value, list):
        return next(filter(None, map(category, value)), None)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return "key"
        return next(filter(None, (category(part) for pair in value.items() for part in pair)), None)
    return None


def has_double_key(node):
    """PyYAML lets the last of several equal keys win."""
    if isinstance(node, yaml.MappingNode):
        # a key counts by its text: our maps have no others
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        return len(keys) != len(set(keys)) or any(has_double_key(value) for _, value in node.value)
    return isinstance(node, yaml.SequenceNode) and any(map(has_double_key, node.value))


def outcome(text):
    try:
        double = has_double_key(yaml.compose(text, Loader=yaml.SafeLoader))
        value = yaml.safe_load(text)
    except RecursionError:
        return ["cycle"]
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return ["error"]
    try:
        found = "double key" if double else category(value)
    except RecursionError:
        return ["cycle"]
    return [found] if found else ["value", value]


def table():
    documents = [place.format(text) for place in PLACES for text in SCALARS]
    documents += ["k: " + text + "\n" for text in TAGS] + BLOCKS + STRUCTURES
    for text in dict.fromkeys(documents):
        if not any("\ud800" <= c <= "\udfff" for c in text):
            yield [text, *outcome(text)]


def write(path):
    lines = [json.dumps(row, ensure_ascii=True, sort_keys=True) for row in table()]
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    write(sys.argv[1])
