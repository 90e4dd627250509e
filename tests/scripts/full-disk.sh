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
mkdir "$root/disk" && mount -t tmpfs -o size=4m tmpfs "$root/disk"
dir=$root/disk/coordination
mkdir -p "$dir/inbox"
baton --help >/dev/null
"$BATON" --coordination "$dir" daemon 2>"$root/log" &
daemon=$!
drop() {
    printf '{"id":"%s","title":"Fix the typo in src/%s.rs"}' "$1" "$1" >"$root/$1.json"
    cp "$root/$1.json" "$dir/inbox/.$1.tmp" && mv "$dir/inbox/.$1.tmp" "$dir/inbox/$1.json"
}
handed_out() { [[ -e $dir/masters/development/handoffs/to-development-$1.json ]]; }
drop before
until_true 20 handed_out before
mkdir "$root/disk/ballast"
for n in 1 2 3 4 5 6 7 8; do drop "during-$n"; done
dd if=/dev/zero of="$root/disk/ballast/zeros" bs=4k 2>/dev/null || true
for n in 11 12 13; do drop "full-$n" 2>/dev/null || true; done
warned() { grep -q 'no room for the journal\|cannot write' "$root/log"; }
until_true 20 warned || true
kill -0 "$daemon" || fail "the daemon ended on a full disk: $(tail -3 "$root/log")"
rm -r "$root/disk/ballast"
drop after
until_true 30 handed_out after
for n in 1 2 3 4 5 6 7 8; do until_true 20 handed_out "during-$n"; done
kill -TERM "$daemon"
wait "$daemon" || fail "it did not drain: $?"
daemon=
! grep -q panicked "$root/log" || fail "it panicked: $(grep panicked "$root/log")"
"$BATON" --coordination "$dir" doctor >/dev/null || fail "doctor finds something wrong afterwards"
echo "1 passed, 0 failed"
