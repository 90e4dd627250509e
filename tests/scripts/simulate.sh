#!/usr/bin/env bash
# Lives 100,000 random lives of the domain (tests/it/simulation.rs) with optimised code, and says how
# long that took. SEEDS says how many others. A life that breaks a law is told with the command that
# repeats it.
set -euo pipefail
cd "$(dirname "$0")/../.."

export SEEDS=${SEEDS:-100000}
begin=$SECONDS
cargo test --locked --release --quiet --test it --no-run
printf 'built in %d s\n' "$((SECONDS - begin))"
begin=$SECONDS
cargo test --locked --release --quiet --test it simulation::every_life_keeps_the_laws -- --exact --nocapture
printf '%d lives in %d s on %d processors\n' "$SEEDS" "$((SECONDS - begin))" "$(nproc)"
