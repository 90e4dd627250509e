#!/usr/bin/env bash
# Kills at every system call of a short run that changes something outside the process, one run for
# each: the daemon alone, the holder with the step before exec and the workers, and all of them.
# After each kill a new daemon has to finish everything: nothing lost, no attempt begun twice, the
# event lines whole. Half of the time the holder is killed as well before that.
#
# SECONDS_MAX (240) bounds the whole; the calls are visited in order of their number, so that what
# is left out is always the late ones. ONLY="who call number" repeats one.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/scripts/lib.sh
need_command strace strace
need_command pgrep procps
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"

seconds_max=${SECONDS_MAX:-240}
calls=(write pwrite64 fdatasync fsync renameat renameat2 unlinkat mkdirat ftruncate flock openat2
    sendto connect bind socketpair execve clone3 clone vfork dup2 setsid prctl waitid mkdir rmdir)
root=$(mktemp -d)
dir=$root/coordination
daemon= tracer=

# The shell tells of every process that is killed: that is no news here.
exec 3>&2 2>"$root/noise"

cleanup() {
    for pid in $daemon $tracer; do kill -9 "$pid" 2>/dev/null || true; done
    kill_holder
    rm -rf "$root"
}
trap cleanup EXIT

kill_holder() {
    local pid
    for pid in $(pgrep -f -- "hold --coordination $dir\$"); do kill -9 "$pid" || true; done
}

subtask() {
    printf '{"subtask_id":"%s","title":"Do it","description":"x","assigned_to":"development",
        "worker_type":"implementation","dependencies":[%s],"estimated_duration_minutes":5,
        "estimated_tokens":100,"files_affected":[],"success_criteria":"done"}' "$1" "$2"
}

prepare() {
    rm -rf "$dir" "$root/begun" "$root/twice"
    mkdir -p "$dir/inbox" "$root/begun"
    cat >"$root/worker.sh" <<'WORKER'
mkdir "$BEGUN/$BATON_ATTEMPT_ID" || echo "$BATON_ATTEMPT_ID" >>"$BEGUN/../twice"
printf '{"subtask_id":"%s","attempt_id":"%s","status":"success","summary":"done"}' \
    "$BATON_SUBTASK_ID" "$BATON_ATTEMPT_ID" >"$BATON_REPORT.tmp"
mv "$BATON_REPORT.tmp" "$BATON_REPORT"
WORKER
    cat >"$dir/baton.toml" <<SETTINGS
[masters.development]
backend = "command"
argv = ["/bin/sh", "$root/worker.sh"]
env = { BEGUN = "$root/begun" }
SETTINGS
    printf '{"id":"p","title":"Plan","schema":"baton/plan@1","subtasks":[%s,%s]}' \
        "$(subtask p-a '')" "$(subtask p-b '"p-a"')" >"$dir/inbox/p.json"
    printf 'Correct the spelling of one word\n' >"$dir/inbox/text.txt"
    printf '{"tasks":[{"id":"q","title":"Fix the typo","status":"pending","assigned_to":"development"}]}' \
        >"$dir/task-queue.json"
}

# All three tasks have their completion report. The text has no id of its own, so there may be one
# report too many as well.
finished() {
    local reports=("$dir"/orchestrator/completions/*.json)
    ((${#reports[@]} >= 3))
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }
has_killed() { grep -q 'killed by SIGKILL' "$root/trace"; }
hit_or_finished() { has_killed || finished; }

inject() { exec strace -f -q -o "$root/trace" -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" "${@:3}"; }

start_plain() {
    "$BATON" --coordination "$dir" daemon 2>>"$root/log" &
    daemon=$!
}

# run WHO CALL NUMBER: a run with its kills, up to the end of whom they hit.
run() {
    if [[ $1 != all ]]; then
        # A holder of its own: traced, or out of reach.
        if [[ $1 == daemon ]]; then
            "$BATON" hold --coordination "$dir" >"$root/ready" &
        else
            inject "$2" "$3" "$BATON" hold --coordination "$dir" >"$root/ready" &
        fi
        tracer=$!
        up() { [[ -s $root/ready ]] || is_gone "$tracer"; }
        until_true 20 up
    fi
    if [[ $1 == holder ]]; then
        start_plain
    else
        # The holder that is out of reach is found again by its directory.
        inject "$2" "$3" "$BATON" --coordination "$dir" daemon 2>>"$root/log" &
        tracer=$!
    fi
    until_true 30 hit_or_finished
}

# Lets go of whom is traced, without hurting them, and kills what is to be killed besides: of two
# runs of the holder in one the daemon lives on, of two others in one the holder dies, too.
let_go() {
    local traced
    traced=$(pgrep -P "$tracer") || true
    if [[ $1 != holder && -n $traced ]]; then kill -9 "$traced" || true; fi
    kill -9 "$tracer" || true
    wait "$tracer" || true
    tracer=
    # What dies slowly still has the directory.
    if [[ $1 != holder && -n $traced ]]; then until_true 5 is_gone "$traced" || true; fi
    if [[ $1 != holder ]]; then
        (($2 % 2)) || kill_holder
    elif (($2 % 2 == 0)); then
        kill -9 "$daemon" || true
        wait "$daemon" || true
        daemon=
    fi
}

# Says what is wrong after a new daemon had its time; nothing when all is well.
verify() {
    local lives_on=$daemon
    [[ -n $daemon ]] || start_plain
    serves() { grep -qs ' serving ' "$root/log"; }
    until_true 30 serves || echo "it does not start: $(tail -1 "$root/log")"
    until_true 30 finished 2>/dev/null || echo "something is lost"
    kill -TERM "$daemon"
    local status=0
    wait "$daemon" || status=$?
    daemon=
    [[ $status == 0 ]] || echo "it did not drain: $status"
    [[ ! -e $root/twice ]] || echo "begun twice: $(<"$root/twice")"
    local reports=("$dir"/orchestrator/completions/*.json)
    [[ ${#reports[@]} == 3 ]] || echo "${#reports[@]} completion reports instead of 3"
    local report
    for report in "${reports[@]}"; do
        grep -q '"status": "completed"' "$report" || echo "$report is not completed"
    done
    grep -q '"status":"completed"' "$dir/task-queue.json" || echo "the queue does not say so"
    grep -o '"seq":[0-9]*' "$dir/dashboard-events.jsonl" | cut -d: -f2 | cmp -s - \
        <(seq "$(wc -l <"$dir/dashboard-events.jsonl")") || echo "the event lines have gaps"
    [[ -z $(ls "$dir/inbox/.claimed" 2>/dev/null) ]] || echo "claims are left"
    # A start sweeps; what is left in the folder of one worker is in nobody's way.
    [[ -n $lives_on || -z $(find "$dir" -path "$dir/workers" -prune -o -name '*.tmp' -print) ]] ||
        echo "temporary files are left"
    ! grep -q panicked "$root/log" || echo "it panicked"
}

passed=0 failed=0
# one WHO CALL NUMBER: false when no process makes so many such calls.
one() {
    local problems= is_hit=yes
    prepare
    : >"$root/log" >"$root/trace" >"$root/ready"
    run "$@" || problems="it hangs"$'\n'
    # A kill that hit nothing but a worker counts as well.
    has_killed || is_hit=
    let_go "$1" "$3"
    [[ -n $daemon ]] || : >"$root/log"
    verify >"$root/problems"
    kill_holder
    [[ -n $is_hit ]] || return 1
    problems+=$(<"$root/problems")
    if [[ -z $problems ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s: %s\n' "$*" "${problems//$'\n'/; }" >&3
        if [[ -n ${KEEP:-} ]]; then rm -rf "$KEEP"; cp -r "$root" "$KEEP"; fi
    fi
}

shopt -s nullglob
baton --help >/dev/null
if [[ -n ${ONLY:-} ]]; then
    read -r who call number <<<"$ONLY"
    one "$who" "$call" "$number" || echo "there is no such call"
    echo "$passed passed, $failed failed"
    exit "$((failed > 0))"
fi
open=()
for call in "${calls[@]}"; do
    for who in daemon holder all; do open+=("$who $call"); done
done
for ((k = 1; ${#open[@]} > 0; k++)); do
    next=()
    for pair in "${open[@]}"; do
        if ((SECONDS > seconds_max)); then
            echo "time is up at call number $k; ${#open[@]} kinds have more"
            break 2
        fi
        # shellcheck disable=SC2086
        if one $pair "$k"; then next+=("$pair"); fi
    done
    open=("${next[@]}")
done
echo "$passed passed, $failed failed"
exit "$((failed > 0))"
