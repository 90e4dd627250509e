#!/usr/bin/env bash
# Measures the planner on a folder of real data and writes docs/planner-quality.md.
#
# usage: benches/planner/measure.sh DATA [BATON]
#
# DATA is searched for *.jsonl files; the scorer that stands beside a file says what it holds. What the
# scorers need is installed into a folder of its own, $PLANNER_QUALITY_HOME or the user's cache.
set -euo pipefail

data=$(cd "${1:?name the folder of data}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
home=${PLANNER_QUALITY_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/baton-planner-quality}
baton=${2:-}

if [ -z "$baton" ]; then
    (cd "$project" && cargo build --release --quiet)
    baton=${CARGO_TARGET_DIR:-$project/target}/release/baton
fi

mkdir -p "$home"
if [ ! -x "$home/venv/bin/python" ]; then
    python3 -m venv "$home/venv"
fi
"$home/venv/bin/python" -c 'import numpy, scipy, safetensors, tokenizers' 2>/dev/null ||
    "$home/venv/bin/pip" install --quiet numpy scipy safetensors tokenizers

# The published measure is taken with this encoder.
source "$here/encoder.sh"
fetch_encoder "$home"

exec "$home/venv/bin/python" "$here/measure.py" "$data" "$baton" "$project/docs/planner-quality.md"
