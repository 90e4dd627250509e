#!/bin/sh
# Works for some seconds, and says how far it is.
for step in reads writes tests; do
    echo "$BATON_SUBTASK_ID: $step"
    sleep 2
done
echo "$BATON_SUBTASK_ID: done"
