#!/usr/bin/env python3
"""Decides most mutants in one build: they are all woven into the sources, and a variable switches one of them on.

Compiling the crate for every mutant is most of the time that cargo-mutants takes. Here it lists the mutants; a first
run of the tests tells which test reaches which of them; then only those tests run. What is caught here, and what does
not compile where it stands, is noted for `.ci/mutants full`, which gives cargo-mutants the rest: every survivor, and
what cannot be woven (constants, types of results that are not named, the parts of a `let` chain). Its places are kept
by line and column, so the sources are those of the last commit. It needs the packages tree-sitter and tree-sitter-rust.
"""

import collections
import concurrent.futures
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import tree_sitter
import tree_sitter_rust

loader = importlib.machinery.SourceFileLoader("mutants", str(pathlib.Path(__file__).parents[2] / ".ci/mutants"))
mutants = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutants", loader))
loader.exec_module(mutants)

HOME = mutants.HOME / "woven"
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
# These take long, and rarely notice what no other test does: where it comes to that, cargo-mutants runs them.
SLOW = ["every_reachable_state", "verdicts_are_those_of_gpg", "the_folders_are_what_is_made", "a_bundle_gives_the_verdict",
        "the_same_evidence_gives"]
SECONDS = 90
SWITCH = """
//! Which mutant is on, and which were asked for: by thread, which is by test.
use std::{cell::RefCell, io::Write as _, sync::OnceLock};
static ON: OnceLock<(usize, Option<String>)> = OnceLock::new();
struct Asked(Vec<bool>);
impl Drop for Asked {
    fn drop(&mut self) {
        let Some((_, Some(path))) = ON.get() else { return };
        let numbers = self.0.iter().enumerate().filter(|(_, asked)| **asked).map(|(number, _)| number.to_string());
        let line = format!("{} {}\\n", std::thread::current().name().unwrap_or("?"), numbers.collect::<Vec<_>>().join(","));
        std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}
thread_local! { static ASKED: RefCell<Asked> = const { RefCell::new(Asked(Vec::new())) }; }
pub fn on(number: usize) -> bool {
    let variable = |name| std::env::var(name).ok();
    let (on, noted) = ON.get_or_init(|| {
        (variable("MUTANT").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX), variable("ASKED"))
    });
    if noted.is_some() {
        let _ = ASKED.try_with(|asked| {
            let asked = &mut asked.borrow_mut().0;
            asked.resize(asked.len().max(number + 1), false);
            asked[number] = true;
        });
    }
    *on == number
}
"""


def up(node, *kinds):
    """The innermost node of such a kind that this one is in."""
    while node is not None and node.type not in kinds:
        node = node.parent
    return node


class File:
    """A source file, and what is to be woven into it."""

    def __init__(self, path, source):
        self.path, self.source, self.at = path, source, collections.defaultdict(list)
        self.lines, self.starts = source.decode().split("\n"), [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line.encode()) + 1)
        self.root = PARSER.parse(source).root_node

    def offset(self, place):
        line = place["line"] - 1
        return self.starts[line] + len(self.lines[line][: place["column"] - 1].encode())

    def add(self, number, mutant):
        """Finds the place of a mutant, if it has one."""
        node = self.root.descendant_for_byte_range(*(self.offset(mutant["span"][end]) for end in ("start", "end")))
        function = up(node, "function_item", "const_item", "static_item")
        body = function and function.child_by_field_name("body")
        if body is None or re.search(rb"\bconst\b[^(]*\bfn\b", self.source[function.start_byte : body.start_byte]):
            return
        genre = mutant["genre"]
        if genre == "FnValue" and "impl" not in mutant["function"]["return_type"]:
            place = body
        elif genre == "BinaryOperator":
            place = up(node, "binary_expression", "compound_assignment_expr", "let_chain")
        elif genre == "UnaryOperator":
            place = up(node, "unary_expression")
        elif genre in ("MatchArm", "MatchArmGuard"):
            place = up(node, "match_arm").child_by_field_name("pattern")
            condition = place.child_by_field_name("condition")
            place = None if condition is not None and condition.type in ("let_chain", "let_condition") else place
        else:
            return
        if place is not None and place.type != "let_chain":
            self.at[place.type, place.start_byte, place.end_byte].append((number, mutant))

    def text(self, node):
        return self.source[node.start_byte : node.end_byte].decode()

    def parts(self, node):
        done, end = [], node.start_byte
        for child in node.children:
            done += [self.source[end : child.start_byte].decode(), self.woven(child)]
            end = child.end_byte
        return "".join(done) + self.source[end : node.end_byte].decode()

    def woven(self, node):
        here = self.at.get((node.type, node.start_byte, node.end_byte), [])
        if not here:
            return self.parts(node)
        # only one is on: inside of a changed part nothing is woven
        marked = lambda number, text: f"/*<{number}*/{text}/*{number}>*/"
        on = lambda number: f"crate::mutant_switch::on({number})"
        if node.type == "block":
            returns = (marked(n, f" if {on(n)} {{ return {mutant['replacement']}; }}") for n, mutant in here)
            return "{" + "".join(returns) + self.parts(node)[1:]
        if node.type == "match_pattern":
            condition = node.child_by_field_name("condition")
            pattern, guard = self.text(node), "true"
            if condition is not None:
                pattern = self.source[node.start_byte : condition.start_byte].decode().rstrip().removesuffix("if")
                guard = f"({self.woven(condition)})"
            for number, mutant in sorted(here, key=lambda one: one[1]["genre"] == "MatchArm"):
                is_true = mutant["genre"] == "MatchArmGuard" and mutant["replacement"] == "true"
                guard = "(" + marked(number, f"{on(number)} || " if is_true else f"!{on(number)} && ") + guard + ")"
            return f"{pattern} if {guard}"
        changed = []
        for number, mutant in here:
            if node.type == "unary_expression":
                text = self.text(node.children[-1])
            else:
                left, right = (self.text(node.child_by_field_name(side)) for side in ("left", "right"))
                text = f"{left} {mutant['replacement']} {right}"
            changed.append(marked(number, f"if {on(number)} {{ {text} }} else"))
        return f"({' '.join(changed)} {{ {self.parts(node)} }})"


def weave(tree, listed, dead):
    """Writes the woven sources; the numbers of the mutants in them."""
    files = {}
    for number, mutant in enumerate(listed):
        path = mutant["file"]
        if path not in files:
            files[path] = File(path, subprocess.run(["git", "show", f"HEAD:{path}"], cwd=tree, check=True,
                                                    stdout=subprocess.PIPE).stdout)
        if number not in dead:
            files[path].add(number, mutant)
    placed = set()
    for path, file in files.items():
        text = file.woven(file.root)
        (tree / path).write_text(text)
        placed |= set(map(int, re.findall(r"/\*<(\d+)\*/", text)))
    library = mutants.code_of("core/src/lib.rs")
    (tree / "core/src/lib.rs").write_text(f"{library}\n#[doc(hidden)]\npub mod mutant_switch;\n")
    (tree / "core/src/mutant_switch.rs").write_text(SWITCH)
    return placed


def build(tree, environment, *arguments):
    """Compiles; the mutants whose text is wrong where it stands, those that disturb others, errors, and the programs."""
    command = ["cargo", *arguments, "--locked", "--package=scriptworker-core", "--profile=mutants", "--message-format=json"]
    output = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wrong, left, errors, programs = set(), set(), [], {}
    for message in map(json.loads, filter(lambda line: line.startswith("{"), output.stdout.splitlines())):
        if message.get("executable"):
            programs[message["target"]["name"]] = message["executable"]
        if message.get("reason") != "compiler-message" or message["message"]["level"] != "error":
            continue
        message = message["message"]
        regions = []
        for span in filter(lambda span: span["is_primary"], message["spans"]):
            text = (tree / span["file_name"]).read_bytes()
            for found in re.finditer(rb"/\*<(\d+)\*/.*?/\*\1>\*/", text, re.DOTALL):
                if found.start() <= span["byte_start"] <= found.end():
                    regions.append((found.end() - found.start(), int(found[1])))
            if (message["code"] or {}).get("code") == "E0004" and not regions:
                # without one of its arms the match is not complete: left to cargo-mutants, too
                arms = text[span["byte_start"] :].split(b"\n    }\n", 1)[0]
                left |= set(map(int, re.findall(rb"/\*<(\d+)\*/!", arms)))
                regions = [None] * bool(left)
        wrong |= {min(regions)[1]} if regions and regions[0] else set()
        errors += [] if regions or not message["spans"] else [message["rendered"]]
    return wrong, left, errors, programs


def reached(programs, tree, environment):
    """By mutant, the tests that come to its place: (seconds, program, test)."""
    by_mutant = collections.defaultdict(list)
    for name, program in programs.items():
        note = HOME / f"asked.{name}"
        note.unlink(missing_ok=True)
        output = subprocess.run([program, "-Zunstable-options", "--report-time", "--test-threads=2",
                                 *(f"--skip={test}" for test in SLOW)], cwd=tree / "core", check=True, text=True,
                                env=environment | {"ASKED": str(note)}, stdout=subprocess.PIPE).stdout
        seconds = {test: float(time) for test, time in re.findall(r"^test (\S+) \.\.\. ok <([\d.]+)s>", output, re.MULTILINE)}
        for line in set(note.read_text().splitlines() if note.exists() else []):
            test, _, numbers = line.partition(" ")
            for number in filter(None, numbers.split(",") if test in seconds else []):
                by_mutant[int(number)].append((seconds[test], program, test))
    return by_mutant


def is_caught(tests, number, tree, environment):
    """Whether a test fails with the mutant; the quick ones come first."""
    tests = sorted(set(tests))
    for some in (tests[:6], tests[6:]):
        for program in dict.fromkeys(program for _, program, _ in some):
            names = [test for _, other, test in some if other == program]
            command = [program, "-Zunstable-options", "--fail-fast", "--test-threads=1", "--exact", *names]
            try:
                if subprocess.run(command, cwd=tree / "core", env=environment | {"MUTANT": str(number)}, timeout=SECONDS,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                    return True
            except subprocess.TimeoutExpired:
                return False
    return False


def main():
    HOME.mkdir(parents=True, exist_ok=True)
    tree = mutants.tree_of("1")
    environment = os.environ | {"CARGO_TARGET_DIR": str(mutants.HOME / "1/build"), "CARGO_INCREMENTAL": "1"}
    places = {path: mutants.Place(path) for path in mutants.files()}
    listed = [mutant for mutant in json.loads(mutants.out_of("cargo", "mutants", "--list", "--json",
                                                             "--package=scriptworker-core"))
              if mutant["name"] not in places[mutant["file"]].known["mutants"]]
    tests = sorted({test for _, names, _ in mutants.TESTS for test in names} - {"openpgp_limits"})
    dead, without, programs = set(), set(), {}
    while not programs:
        placed = weave(tree, listed, dead | without)
        wrong, left, errors, _ = build(tree, environment, "check", "--lib")
        if not wrong and not left:
            # what overflows for certain is only seen when code is made
            wrong, left, errors, programs = build(tree, environment, "test", "--no-run", "--lib",
                                                  *(f"--test={test}" for test in tests))
        print(f"{len(listed)} mutants, {len(placed)} woven, {len(dead)} do not compile", flush=True)
        if not wrong and not left and (errors or len(programs) != len(tests) + 1):
            sys.exit("\n".join(errors) or f"no tests but {', '.join(programs)}")
        programs = {} if wrong or left else programs
        dead, without = dead | wrong, without | left
    environment["RUSTC_BOOTSTRAP"] = "1"
    by_mutant = reached(programs, tree, environment)
    print(f"{len(by_mutant)} of {len(placed)} are reached by a test", flush=True)
    for number in dead:
        places[listed[number]["file"]].add({listed[number]["name"]: "unviable"})
    important = list(places)
    numbers = sorted(placed, key=lambda number: (important.index(listed[number]["file"]), number))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda number: is_caught(by_mutant[number], number, tree, environment), numbers)
        for number, caught in zip(numbers, found):
            name = listed[number]["name"]
            if caught:
                places[listed[number]["file"]].add({name: "caught"})
            else:
                print(f"left to cargo-mutants: {name}", flush=True)


main()
