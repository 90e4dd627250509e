# Shared by the scripts here; not a check of its own.

# The program under test: $BATON, or built from this tree.
baton() {
    if [[ -z ${BATON:-} ]]; then
        cargo build --quiet --locked --release
        BATON=$PWD/target/release/baton
    fi
    "$BATON" "$@"
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 0
}

need_root() {
    [[ $(id -u) == 0 ]] || skip "$1 needs root"
}

# need_command COMMAND PACKAGE: installs it where it is missing.
need_command() {
    command -v "$1" >/dev/null && return
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || skip "$1 is missing and cannot be installed"
    apt-get update -qq && apt-get install -y -qq "$2" >/dev/null
}

# until_true SECONDS COMMAND...: asks 50 times a second.
until_true() {
    local tries=$(($1 * 50))
    shift
    while ! "$@"; do
        ((tries-- > 0)) || { printf 'waited in vain for: %s\n' "$*" >&2; return 1; }
        read -r -t 0.02 <> <(:) || true
    done
}

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}
