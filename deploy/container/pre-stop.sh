#!/bin/bash
# Lets the worker finish its task and leave: asks with SIGUSR1 every 5 seconds until the process is gone.
#
# pre-stop.sh [SECONDS [PID]]: gives up after SECONDS (1080) with exit code 1; PID is 1 in a container. In a pod this
# script ends with the container, that is with process 1. The time must be less than the pod's
# terminationGracePeriodSeconds, or Kubernetes kills the task.
set -euo pipefail

limit=${1:-1080}
pid=${2:-1}
if [[ ! $limit =~ ^[0-9]+$ || ! $pid =~ ^[1-9][0-9]*$ ]]; then
    echo "pre-stop.sh: expected [SECONDS [PID]], found: $*" >&2
    exit 2
fi

while kill -USR1 "$pid" 2>/dev/null; do
    if ((SECONDS >= limit)); then
        echo "pre-stop.sh: process $pid is still there after $SECONDS seconds" >&2
        exit 1
    fi
    sleep 5
done
