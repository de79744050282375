# What is done often. `just` alone lists it; continuous integration runs `.ci/run`, which needs no just.

# List the recipes.
default:
    @just --list

# Format everything.
fmt:
    cargo fmt --all

# Format, length of files, clippy: all as strict as in continuous integration.
lint:
    cargo fmt --all -- --check
    .ci/lines
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# All tests; a name or other arguments narrow it down.
test *arguments:
    cargo test --workspace --locked {{ arguments }}

# Makes the folders of tests/fixtures/openpgp anew, from core/tests/openpgp/rows: same code, same bytes.
fixtures:
    cargo test -p scriptworker-core --locked --test openpgp -- --ignored --exact rows::tests::make_the_folders

# Makes the folders of tests/fixtures/cot anew, from core/tests/cot_rows: same code, same bytes.
fixtures-cot:
    cargo test -p scriptworker-core --locked --test cot_rows -- --ignored --exact tests::make_the_folders

# What the Python worker's libraries make of YAML and of templates, anew: core/tests/fixtures/yaml_scalars.json and
# every expected.json beside it. Same versions, same bytes.
python-expectations:
    test -x target/expectations-venv/bin/python || python3 -m venv target/expectations-venv
    target/expectations-venv/bin/pip install --quiet scriptworker==63.6.1 json-e==4.8.4 PyYAML==6.0.4
    target/expectations-venv/bin/python -B core/tests/python/expectations.py

# A failing disk at every fault point, with every error (about two minutes).
faults:
    cargo test --locked --features fault --test disk_faults --test keyrings --test process

# What takes minutes: 2 000 tasks through one worker, 10 000 artifacts of one task.
soak:
    cargo test --locked --test soak --test worker -- --ignored --nocapture

# Looks for inputs that break the readers of what others write, each target for so many seconds. It needs cargo-fuzz;
# what that needs of a nightly compiler, the stable one does with RUSTC_BOOTSTRAP. What it finds stays below fuzz/.
fuzz seconds="600":
    for target in clearsign armor certificate key_listing \
            strict_json task_definition policy address artifact_name template_yaml bundle; do \
        mkdir -p "fuzz/corpus/$target" && \
        RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz "$target" "fuzz/corpus/$target" "core/tests/corpus/$target" -- \
            -max_total_time={{ seconds }} -print_final_stats=1 || exit 1; \
    done

# Whether the tests notice when deciding code changes: most of an hour at first, but it goes on where it was stopped. It
# needs cargo-mutants; what is known goes into docs/mutation-report.md.
mutants *arguments:
    test -x target/mutants/venv/bin/python || python3 -m venv target/mutants/venv
    target/mutants/venv/bin/pip install --quiet tree-sitter==0.26.1 tree-sitter-rust==0.24.2
    target/mutants/venv/bin/python core/mutants/weave.py
    .ci/mutants full {{ arguments }}

# The verdicts of the published Python worker, and of gpg on signatures, on the folders of tests/fixtures/cot.
conform:
    test -x target/bench-venv/bin/scriptworker || python3 -m venv target/bench-venv
    target/bench-venv/bin/pip install --quiet scriptworker==63.6.1
    target/bench-venv/bin/python tests/python/conform.py tests/fixtures/cot

# The documentation, without warnings.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked

# What is depended on: licenses, sources, bans, known vulnerabilities.
deny:
    cargo deny --locked --all-features check

# Workers, as processes of their own, against an embedded queue: claim, verify, run, upload, report.
demo:
    cargo run --locked -- demo

# The picture in the README, made anew by a demo: the chain of a release whose build was exchanged.
picture:
    dir=$(mktemp -d) && cargo run --locked -- demo --dir "$dir" && cp "$dir/artifact.svg" docs/chain.svg && rm -r "$dir"

# What the worker costs beside the Python worker and the bare tools; `--record` keeps the figures, `--help` says more.
bench *arguments:
    test -x target/bench-venv/bin/scriptworker || python3 -m venv target/bench-venv
    target/bench-venv/bin/pip install --quiet scriptworker==63.6.1
    cargo bench --locked --bench worker -- {{ arguments }}

# What keyrings and signatures cost beside gpg; `--record` keeps the figures.
bench-keys *arguments:
    cargo bench --locked --bench keys -- {{ arguments }}

# What it costs to verify a chain of trust, beside the published Python verifier (docs/benchmarks.md).
bench-cot *arguments:
    test -x target/bench-venv/bin/scriptworker || python3 -m venv target/bench-venv
    target/bench-venv/bin/pip install --quiet scriptworker==63.6.1
    cargo bench --locked --bench cot -- {{ arguments }}

# Everything that has to hold before a change is taken in.
ci:
    .ci/run
