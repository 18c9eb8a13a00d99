# `just` alone lists the recipes. Each recipe is one or two commands, so you do not need just.

[private]
default:
    @just --list --unsorted

# start everything: two stores, two services, two consumers; flags follow, such as --port-offset 100
[group('run')]
run-all *flags:
    @# In a process group of its own: Ctrl-C reaches only the system, and does not fail the recipe.
    @if [ -t 0 ]; then set -m; fi; cargo run-all {{ flags }}; exit $?

# place one order on the running system and show it until it is final
[group('run')]
order *args:
    cargo run -q --bin stack -- order {{ args }}

# compare the records of both services of the running system: --port-offset N first, then --apply, --json, --since 2h
[group('run')]
reconcile *flags:
    @cargo run -q --bin stack -- reconcile {{ flags }}

# five scripted stories on a private system: paid, refunded twice, cancelled, recovered
[group('run')]
demo *args:
    cargo run -q --bin stack -- demo {{ args }}

# the example records with PostgreSQL and Redis; flags follow, such as --port-offset 100
[group('examples')]
run-records *flags: (run-example "records" flags)

# the example items with Redis
[group('examples')]
run-items *flags: (run-example "items" flags)

# apply the manifests of items to the cluster of kubectl, wait until all is ready, forward port 8004
[group('examples')]
deploy-items:
    examples/items/deploy/deploy.sh

# run COUNT workers of items in the cluster; `just scale-items 2 api` scales the API
[group('examples')]
scale-items count part='worker':
    examples/items/deploy/scale.sh {{ count }} {{ part }}

# remove everything that deploy-items made, the items as well
[group('examples')]
undeploy-items:
    examples/items/deploy/undeploy.sh

# the example todos with PostgreSQL and a Kafka broker
[group('examples')]
run-todos *flags: (run-example "todos" flags)

[private]
run-example name *flags:
    @cargo build -q --workspace --bin example
    @# In a process group of its own: Ctrl-C reaches only the system, and does not fail the recipe.
    @if [ -t 0 ]; then set -m; fi; "${CARGO_TARGET_DIR:-target}/debug/example" up {{ name }} {{ flags }}; exit $?

# the tests of the examples, on private servers; names of tests may follow
[group('examples')]
test-examples *args:
    cargo test --workspace --lib --test harness --test hello --test items --test records --test todos {{ args }}

# how fast the examples are, beside the bare server of the same framework; flags follow, such as --seconds 5
[group('examples')]
bench-examples *flags:
    @cargo build -q --release --workspace --bin bench-examples
    "${CARGO_TARGET_DIR:-target}/release/bench-examples" {{ flags }}

# all tests, on private servers; names of tests may follow
[group('check')]
test *args:
    cargo test {{ args }}

# write contracts/ and docs/configuration.md anew from the programs and the Hurl files
[group('check')]
contracts:
    WRITE_CONTRACTS=1 cargo test --test contracts

# schemathesis, newman, Chromium, validators and readers in other languages, on private systems; tools/install brings them
[group('check')]
tools *args:
    cargo test --test tools {{ args }}
    cargo test --workspace --test manifests {{ args }}

# how fast it is, beside what this machine allows; flags follow, such as --quick, --only post,e2e, --compare REV
[group('check')]
bench *flags:
    cargo run --release --bin bench -- {{ flags }}

# the linter, with warnings as errors
[group('check')]
check:
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy --workspace --test tools --test manifests -- -D warnings

# break a private system in every way under load and check the promise: --nightly, --quick, --seed N
[group('check')]
chaos *args:
    cargo run -q --bin chaos -- {{ args }}

# plant known bugs in a copy of the code, and check that chaos finds each
[group('check')]
planted *names:
    proof/planted/show {{ names }}

# format the code
[group('check')]
fmt:
    cargo fmt --all

# everything a change has to pass
[group('check')]
ci: && check test doc deny
    cargo fmt --all --check

# the reference, with broken links as errors
[group('check')]
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# licences, banned crates and sources of everything we depend on, if cargo-deny is installed
[group('check')]
deny:
    @if cargo deny --version >/dev/null 2>&1; then cargo deny check licenses bans sources; else echo "cargo-deny is not installed, skipped"; fi
