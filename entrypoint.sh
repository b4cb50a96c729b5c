#!/bin/sh
# The front door of the image: a flag or nothing runs the job, anything else runs as given.
set -eu

# Here and not in the image's environment, which beats the user's variables under pyxis.
export JOB_OUTPUT_DIR="${JOB_OUTPUT_DIR:-/output}"
# A volume with a dataset may be mounted there; without one the job finds the image's own.
export JOB_DATA_DIR="${JOB_DATA_DIR:-/data}"

# By its full path: some runtimes bring the PATH of their host.
if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then
    set -- /opt/venv/bin/python -m job "$@"
fi

exec "$@"
