#!/bin/sh
# Hangs at first; then it cannot reach what it needs.
case $BATON_ATTEMPT_ID in
*-attempt-1)
    echo "asks the vulnerability database"
    exec sleep 3600
    ;;
*)
    echo "cannot ask the vulnerability database: connection refused" >&2
    exit 1
    ;;
esac
