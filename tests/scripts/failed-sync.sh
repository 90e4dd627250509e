#!/usr/bin/env bash
# A failed sync ends the daemon at once with exit code 74; the next start goes on with what is
# really on disk. Each of the first syncs fails in turn.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/scripts/lib.sh
need_command strace strace
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
baton --help >/dev/null
passed=0
for k in 1 2 3 4; do
    dir=$root/run-$k/coordination
    mkdir -p "$dir/inbox"
    printf '{"id":"one","title":"Fix the typo in src/one.rs"}' >"$dir/inbox/one.json"
    status=0
    timeout 60 strace -f -o /dev/null -e trace=fdatasync -e "inject=fdatasync:error=EIO:when=$k" \
        "$BATON" --coordination "$dir" daemon 2>"$root/log-$k" &
    traced=$!
    wait "$traced" || status=$?
    [[ $status == 74 ]] || fail "sync $k failed and the daemon ended with $status: $(tail -3 "$root/log-$k")"
    "$BATON" --coordination "$dir" daemon 2>"$root/log-$k-again" &
    daemon=$!
    handed_out() { [[ -e $dir/masters/development/handoffs/to-development-one.json ]]; }
    # Before that TERM just ends it.
    serves() { grep -qs ' serving ' "$root/log-$k-again"; }
    until_true 20 serves || fail "after sync $k failed it does not start"
    until_true 20 handed_out || fail "after sync $k failed the task is lost"
    kill -TERM "$daemon"
    wait "$daemon" || fail "it did not drain"
    passed=$((passed + 1))
done
echo "$passed passed, 0 failed"
