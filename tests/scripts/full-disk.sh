#!/usr/bin/env bash
# A full disk stops everything that would have to be remembered, and nothing else: no panic, no
# exit, one warning; with room again it goes on by itself and nothing is lost.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/scripts/lib.sh
need_root "mounting a small file system"

root=$(mktemp -d)
daemon=
cleanup() {
    [[ -n $daemon ]] && kill -9 "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    umount "$root/disk" 2>/dev/null || true
    rm -rf "$root"
}
trap cleanup EXIT
mkdir "$root/disk" && mount -t tmpfs -o size=8m tmpfs "$root/disk"
dir=$root/disk/coordination
handoffs=$dir/masters/development/handoffs
mkdir -p "$dir/inbox"
baton --help >/dev/null
"$BATON" --coordination "$dir" daemon 2>"$root/log" &
daemon=$!
drop() {
    printf '{"id":"%s","title":"Fix the typo in src/%s.rs"}' "$1" "$1" >"$root/disk/$1.json"
    mv "$root/disk/$1.json" "$dir/inbox/$1.json"
}
handed_out() { [[ -e $handoffs/to-development-$1.json ]]; }
for n in {1..40}; do drop "before-$n"; done
for n in {1..40}; do until_true 20 handed_out "before-$n" || fail "before-$n is not handed out"; done

# Written while there is room and renamed when there is none: renaming needs no room, and each
# handoff that is taken is an event of the journal.
for n in {1..8}; do
    printf '{"id":"full-%s","title":"Fix the typo in src/%s.rs"}' "$n" "$n" >"$root/disk/full-$n.json"
done
dd if=/dev/zero of="$root/disk/ballast" bs=4k 2>/dev/null || true
for n in {1..40}; do mv "$handoffs/to-development-before-$n.json"{,.processed}; done
for n in {1..8}; do mv "$root/disk/full-$n.json" "$dir/inbox/full-$n.json"; done
warned() { grep -q 'no room for the journal' "$root/log"; }
until_true 20 warned || fail "the journal found room on a full disk"
kill -0 "$daemon" || fail "the daemon ended on a full disk: $(tail -3 "$root/log")"
ticks() { cut -d' ' -f14,15 "/proc/$daemon/stat" | tr ' ' '+'; }
before=$(($(ticks)))
never() { false; }
until_true 2 never 2>/dev/null || true
spent=$(($(ticks) - before))
((spent < 20)) || fail "it is busy while it waits for room: $spent ticks in 2 s"
[[ $(grep -c 'no room for the journal' "$root/log") == 1 ]] || fail "it warns again and again"

rm "$root/disk/ballast"
drop after
until_true 30 handed_out after || fail "it does not go on: $(tail -3 "$root/log")"
for n in {1..8}; do until_true 20 handed_out "full-$n" || fail "full-$n is lost"; done
taken() { [[ $(grep -c '"type":"handoff_taken"' "$dir/dashboard-events.jsonl") == 40 ]]; }
until_true 20 taken || fail "not every taken handoff was noticed"
kill -TERM "$daemon"
wait "$daemon" || fail "it did not drain: $?"
daemon=
! grep -q panicked "$root/log" || fail "it panicked: $(grep panicked "$root/log")"
"$BATON" --coordination "$dir" events >/dev/null || fail "the journal cannot be read afterwards"
echo "1 passed, 0 failed"
