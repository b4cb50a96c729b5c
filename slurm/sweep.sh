#!/bin/bash
# An array of runs, each on one GPU of a Slurm cluster, from the project's folder: the points of a
# sweep, or without one the job once for each of several seeds:
#
#   JOB_SWEEP=sweeps/learning-rate.toml sbatch --array=0-8 slurm/sweep.sh
#   sbatch --array=0-31%8 slurm/sweep.sh
#
# `python -m job sweep --plan` counts the points. Member 3 trains point 3 into output/0003-…, or with
# JOB_SEED=3 into output/seed-3. docs/sweeps.md and docs/slurm.md have the rest.

#SBATCH --job-name=fashion-mnist-sweep
# Members 0 to 4; `%8` behind the range would let eight of them run at a time.
#SBATCH --array=0-4
# One process each, so one task.
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
# Most of the work is the GPU's; the highest memory seen was 1.0 GB.
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
# Against what hangs forever; a run that needs longer goes on in another allocation.
#SBATCH --time=01:00:00
# Slurm requeues after preemption and node failure; without it `scontrol requeue` is refused, too.
#SBATCH --requeue
# A later attempt writes below the log of the earlier ones, not over it.
#SBATCH --open-mode=append
# Two minutes to save before the time is up; Slurm may ask a minute earlier. To this script alone
# (B:), because only it knows that the run is to go on.
#SBATCH --signal=B:USR1@120

# --- From here on, train.sh, train-multi-node.sh and sweep.sh are the same. ---
set -euo pipefail

# USR1 is the warning above. TERM means that the end is decided: by scancel, or by Slurm, which then
# requeues by itself. A requeue from here would bring a cancelled job back.
warned=no ended=no step=
pass_on() { [ -z "$step" ] || kill -USR1 "$step" 2>/dev/null || true; }
trap 'warned=yes; pass_on' USR1
trap 'ended=yes; pass_on' TERM

say() { echo "slurm: $*" >&2; }

refuse() { # EXIT_CODE SENTENCE
    say "$2"
    exit "$1"
}

refuse_several_tasks() {
    [ "${SLURM_NTASKS:-1}" -eq 1 ] || refuse 78 "JOB_RUNTIME=$runtime: one task only, because its\
 containers do not hear of the others"
}

task_may_launch_several() { # FLAG…
    [ "${SLURM_NTASKS:-1}" -le "${SLURM_JOB_NUM_NODES:-1}" ] || return 1
    case " $*" in *" --processes-per-node"*) return ;; esac
    case ${JOB_PROCESSES_PER_NODE:-auto}/$JOB_DEVICE in
    auto/auto | auto/cuda) [ "${SLURM_GPUS_ON_NODE:-1}" -gt 1 ] ;;
    auto/* | 1/*) return 1 ;;
    esac
}

# In a bash of its own, as the task. A signal to the step reaches podman's client and helpers, too, which
# leave with whatever code (4.3: with 0) while the container goes on: so it is asked and watched by its name.
# shellcheck disable=SC2329  # that bash is given its text
run_in_podman() { # NAME ARGUMENT…
    local name=$1 client code=0 found
    shift
    trap 'podman kill --signal=USR1 "$name" >/dev/null 2>&1 || true' USR1 TERM
    podman run --replace --name="$name" "$@" &
    client=$!
    while kill -0 "$client" 2>/dev/null; do wait "$client" || true; done
    wait "$client" || code=$?
    [ "$code" -ne 0 ] || code=143 # only its container's 0 counts
    while podman container exists "$name" || [ $? -ne 1 ]; do
        found=$(podman container inspect --format='{{.State.Status}} {{.State.ExitCode}}' "$name" 2>/dev/null)
        case $found in
        exited* | stopped*) code=${found#* } && break ;;
        created* | initialized*) break ;; # and will not be started any more
        esac
        sleep 0.2
    done
    podman rm --force --ignore "$name" >/dev/null
    [ "$code" -ge 0 ] || code=143 # -1 is one that podman has lost; what the job has saved is there
    exit "$code"
}

newest_attempt() { # NAME_OF_A_FACT
    tail -n 1 -- "$output/attempts.jsonl" 2>/dev/null | sed -n "s/.*\"$1\": \"*\([^,\"]*\).*/\1/p" || true
}

# Of several nodes rank 0 has entered which one was unfit, in the line that this attempt has added. People
# can edit that file, so the name has to be one of the job's own; a host's may have its domain behind it.
unfit_node() {
    if [ "${SLURM_JOB_NUM_NODES:-1}" -eq 1 ]; then
        [ "$code" -ne 69 ] || echo "$SLURMD_NODENAME"
        return
    fi
    [ "$(newest_attempt attempt)" != "$attempt_before" ] || return 0
    local named
    named=$(newest_attempt unfit_node)
    scontrol show hostnames "$SLURM_JOB_NODELIST" |
        grep -m 1 -Fx -e "$named" -e "${named%%.*}"
}

# Slurm runs a copy of this file from a spool folder, so the project is where sbatch was called, or
# what its --chdir names.
project=$PWD
runtime=${JOB_RUNTIME:-venv}
image=${JOB_IMAGE:-fashion-mnist-job:0.1.0}
requeue_limit=${REQUEUE_LIMIT:-10}
unset JOB_RUNTIME JOB_IMAGE # the job has no such settings, and would refuse them

# `never` removes the checkpoints: each requeue would throw away what was trained before it.
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
    resume=${JOB_RESUME:-}
    case " $* " in
    *" --resume=never "* | *" --resume never "*)
        resume=never
        set -- "$@" --resume=auto # the last one counts
        ;;
    esac
    if [ "$resume" = never ]; then
        export JOB_RESUME=auto
        say "JOB_RESUME=never was for the first attempt: after requeue $SLURM_RESTART_COUNT it is auto"
    fi
fi

# Insists on the GPU that is paid for: a broken one ends the attempt, instead of hours on the CPU.
export JOB_DEVICE=${JOB_DEVICE:-cuda}
output=$(realpath --canonicalize-missing -- "${JOB_OUTPUT_DIR:-output}")
# A member of an array trains its point of the sweep, in a folder that the job names; without a sweep
# its seed. It is requeued by its number, because the id of one is also the id of the whole array.
job=$SLURM_JOB_ID
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
    if [ -n "${JOB_SWEEP:-}" ]; then
        export JOB_SWEEP_INDEX=$SLURM_ARRAY_TASK_ID # of Slurm's own variables a container has none
    else
        export JOB_SEED=$SLURM_ARRAY_TASK_ID
        output=$output/seed-$SLURM_ARRAY_TASK_ID
    fi
fi
mkdir -p -- "$output" || refuse 73 "JOB_OUTPUT_DIR: cannot make $output"
export JOB_OUTPUT_DIR=$output

# After `sbatch --export=NONE` steps would start without any environment.
export SLURM_EXPORT_ENV=ALL
# A step does not inherit it; and torch would take a thread for each core of the node. Several processes
# have to share the CPUs of their task, so the launcher tells each its part.
export SLURM_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
threads=OMP_NUM_THREADS
if [ -z "${OMP_NUM_THREADS:-}" ] && task_may_launch_several "$@"; then
    unset OMP_NUM_THREADS
    threads=SLURM_CPUS_PER_TASK
else
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$SLURM_CPUS_PER_TASK}
fi

volumes=("$output:/output")
if [ "$runtime" != venv ]; then
    unset PYTHONPATH PYTHONHOME LD_PRELOAD # those of the host mean nothing in an image
    JOB_OUTPUT_DIR=/output
    if [ -n "${JOB_DATA_DIR:-}" ]; then
        volumes+=("$(realpath -- "$JOB_DATA_DIR"):/mnt") # every image has this folder
        JOB_DATA_DIR=/mnt
    fi
    if [ -n "${JOB_SWEEP:-}" ]; then
        sweep=$(realpath -- "$JOB_SWEEP")
        volumes+=("${sweep%/*}:/srv") # this one, too
        JOB_SWEEP=/srv/${sweep##*/}
    fi
fi
# Runtimes differ in which variables reach a container, and in whose value wins there. So each is
# told the settings by name.
settings=("${!JOB_@}" "$threads")
IFS=, read -r -a gpus <<<"${SLURM_JOB_GPUS:-}" # as the node numbers them, whatever the job sees
step_options=()
case $runtime in
venv)
    [ -x "$project/.venv/bin/python" ] || refuse 78 "no .venv/bin/python in $project:\
 run make venv, and submit from the project's folder or with --chdir"
    program=("$project/.venv/bin/python" -m job)
    ;;
apptainer)
    for name in "${settings[@]}"; do export "APPTAINERENV_$name=${!name}"; done
    program=(apptainer exec --nv --contain --pwd=/app "${volumes[@]/#/--bind=}"
        "$image" /entrypoint.sh)
    ;;
pyxis)
    step_options=(--container-image="$image" --container-workdir=/app --no-container-mount-home
        --container-mounts="$(IFS=, && echo "${volumes[*]}")"
        --container-env="$(IFS=, && echo "${settings[*]}")")
    program=(/entrypoint.sh)
    ;;
charliecloud)
    export USER=${USER:-$(id -un)} # ch-run insists
    program=(ch-run --private-tmp --cd=/app "${volumes[@]/#/--bind=}" --set-env=HOME=/tmp
        --set-env=PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        "$image" -- /entrypoint.sh)
    ;;
podman)
    refuse_several_tasks
    # The login node's, which the session of a user has there alone; without it podman makes its own.
    [ -w "${XDG_RUNTIME_DIR:-.}" ] || unset XDG_RUNTIME_DIR
    program=(bash -c "$(declare -f run_in_podman); run_in_podman \"\$@\"" podman "job-$SLURM_JOB_ID"
    --network=none --userns=keep-id --user="$(id -u):0"
    "${gpus[@]/#/--device=nvidia.com/gpu=}" "${settings[@]/#/--env=}"
    "${volumes[@]/#/--volume=}" "$image")
    ;;
docker)
    refuse_several_tasks
    # Its daemon knows nothing of Slurm, so it has to be told which GPUs are the job's.
    [ ${#gpus[@]} -eq 0 ] || gpus=("--gpus=\"device=$SLURM_JOB_GPUS\"")
    program=(docker run --rm --network=none --user="$(id -u):0" "${gpus[@]}"
    "${settings[@]/#/--env=}" "${volumes[@]/#/--volume=}" "$image")
    ;;
*) refuse 78 "JOB_RUNTIME=$runtime: allowed is venv, apptainer, pyxis, charliecloud, podman, docker" ;;
esac

attempt_before=$(newest_attempt attempt)
# In the background, because bash runs no trap while a program is in the foreground. SIGTERM to srun
# would kill the tasks without a word; SIGUSR1 is passed on to them. Ranks that lose one end by
# themselves, so that Slurm need not kill them.
srun --kill-on-bad-exit=0 "${step_options[@]}" "${program[@]}" "$@" &
step=$!
[ "$warned$ended" = nono ] || pass_on # asked before there was a step
# A signal ends `wait`, too; the step is over when its process is gone.
while kill -0 "$step" 2>/dev/null; do wait "$step" || true; done
code=0
wait "$step" || code=$?

case $code in
69 | 75 | 82) ;;
138 | 143) ;; # ended by the signal itself, before it could be caught: what was durable still is
*) exit "$code" ;;
esac
unfit=$(unfit_node) || true
[ "$ended" = no ] || refuse "$code" "exit code $code, and the end was decided outside"
[ "${SLURM_RESTART_COUNT:-0}" -lt "$requeue_limit" ] ||
    refuse "$code" "exit code $code, and REQUEUE_LIMIT=$requeue_limit is reached: submit again to go on"

trap '' USR1 TERM # the requeue itself ends this script by TERM
scontrol requeue "$job" || refuse "$code" "exit code $code, and Slurm refuses to requeue"
say "exit code $code (warned: $warned), so $job is requeued: ${SLURM_RESTART_COUNT:-0} of $requeue_limit before"
# A job can be kept off a node only while it waits.
if [ -n "$unfit" ]; then
    excluded=$(scontrol show job --oneliner "$job" | sed 's/.* ExcNodeList=\([^ (]*\).*/\1/') || true
    scontrol update "JobId=$job" "ExcNodeList=${excluded:+$excluded,}$unfit" &&
        say "$unfit is unfit and excluded from now on"
fi
exit "$code"
