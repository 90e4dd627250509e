#!/usr/bin/env bash
# A machine that is short of descriptors or processes, and a directory that may not be written:
# the daemon stays, says so, uses up no attempt, and goes on by itself.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/scripts/lib.sh
need_command strace strace
need_command prlimit util-linux
need_command pgrep procps
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"

root=$(mktemp -d)
dir=$root/coordination
daemon= tracer= holder=
cleanup() {
    for pid in $daemon $tracer $holder; do kill -9 "$pid" 2>/dev/null || true; done
    for pid in $(pgrep -f -- "hold --coordination $dir\$"); do kill -9 "$pid" || true; done
    umount "$dir/inbox" 2>/dev/null || true
    rm -rf "$root"
}
trap cleanup EXIT
baton --help >/dev/null
passed=0

fresh() {
    rm -rf "$dir" && mkdir -p "$dir/inbox" && : >"$root/log"
    cat >"$dir/baton.toml" <<'SETTINGS'
[masters.development]
backend = "command"
argv = ["/bin/echo", "done"]
SETTINGS
}
start() {
    "$BATON" --coordination "$dir" daemon 2>"$root/log" &
    daemon=$!
    serves() { grep -qs ' serving ' "$root/log"; }
    until_true 20 serves || fail "it does not start: $(tail -1 "$root/log")"
}
drop() {
    printf '{"id":"%s","title":"Fix the typo in src/%s.rs"}' "$1" "$1" >"$dir/.$1.json"
    mv "$dir/.$1.json" "$dir/inbox/$1.json"
}
completed() { [[ -e $dir/orchestrator/completions/orch-$1.json ]]; }
stop() {
    kill -TERM "$daemon"
    wait "$daemon" || fail "$1: it did not drain: $?"
    daemon=
    ! grep -q panicked "$root/log" || fail "$1: it panicked"
    # Shortage is no failure of the worker: no attempt is counted.
    ! grep -q '"type":"subtask_failed"' "$dir/dashboard-events.jsonl" || fail "$1: an attempt was used up"
    passed=$((passed + 1))
}

# No descriptor is left for what the daemon opens from now on.
fresh && start
drop first && until_true 20 completed first || fail "the first task is not done"
prlimit --pid "$daemon" --nofile=5:4096
drop second
complains() { grep -q 'os error 24' "$root/log"; }
until_true 20 complains || fail "descriptors: it says nothing"
kill -0 "$daemon" || fail "descriptors: it ended: $(tail -1 "$root/log")"
prlimit --pid "$daemon" --nofile=1024:4096
until_true 60 completed second || fail "descriptors: it does not go on: $(tail -3 "$root/log")"
stop descriptors

# Nobody can start a process: first the holder twice, then every keeper. strace counts the calls of
# each process for itself and lets everybody go when it is told to end.
scope=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
if [[ $(id -u) == 0 || $scope == 0 ]]; then
    fresh
    "$BATON" hold --coordination "$dir" >"$root/ready" 2>/dev/null &
    holder=$!
    up() { [[ -s $root/ready ]]; }
    until_true 20 up || fail "processes: there is no holder"
    strace -f -q -o /dev/null -e trace=vfork,clone3,clone -p "$holder" \
        -e inject=vfork,clone3,clone:error=EAGAIN:when=1..2 2>/dev/null &
    tracer=$!
    traced() { grep -q "^TracerPid:[[:space:]]*$tracer\$" "/proc/$holder/status"; }
    until_true 20 traced || fail "processes: it is not traced"
    start
    drop third
    told() { grep '"type":"worker_not_started"' "$dir/dashboard-events.jsonl" | grep -q "$1"; }
    until_true 20 told 'start its keeper.*os error 11' || fail "processes: the holder was not short"
    until_true 20 told 'start the step.*os error 11' || fail "processes: the keeper was not short"
    again() { (($(grep -c 'cannot carry out an effect' "$root/log") >= 3)); }
    until_true 20 again || fail "processes: it does not try again"
    kill -TERM "$tracer"
    wait "$tracer" 2>/dev/null || true
    tracer=
    # It is there again: no delay is longer than 5 s.
    until_true 15 completed third || fail "processes: it does not go on: $(tail -3 "$root/log")"
    launched() { grep -c '"type":"subtask_handed_off"' "$dir/dashboard-events.jsonl"; }
    [[ $(launched) == 1 ]] || fail "processes: $(launched) attempts instead of one"
    stop processes
    kill -9 "$holder" 2>/dev/null || true
    wait "$holder" 2>/dev/null || true
    holder=
fi

# The inbox may not be written, though it can be read: on a file system of its own that turns
# read-only for a while. What is dropped waits.
if [[ $(id -u) == 0 ]]; then
    fresh
    mount -t tmpfs -o mode=755 tmpfs "$dir/inbox"
    start
    drop_here() { printf '{"id":"%s","title":"Fix a typo"}' "$1" >"$dir/inbox/$1.json"; }
    drop_here fifth && until_true 20 completed fifth || fail "read-only: the fifth task is not done"
    drop_here sixth && mount -o remount,ro "$dir/inbox"
    kill -0 "$daemon" || fail "read-only: it ended: $(tail -1 "$root/log")"
    mount -o remount,rw "$dir/inbox"
    until_true 60 completed sixth || fail "read-only: it does not go on: $(tail -3 "$root/log")"
    stop read-only
    umount "$dir/inbox"
fi
echo "$passed passed, 0 failed"
