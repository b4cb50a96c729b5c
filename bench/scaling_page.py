"""The words of docs/scaling.md; the numbers come from bench/scaling.py."""

from typing import Final

TEMPLATE: Final = """\
# Several GPUs, several nodes

**One GPU is the fastest way to train this network.** Several are for larger ones, for larger batches, and
to see that a cluster works. Two ranks took {slower_2} times as long for a step as one, four ranks
{slower_4} times (gloo, {cores} cores, 95 % interval). Many runs side by side, such as seeds, gain all that
the GPUs have: [`slurm/sweep.sh`](slurm.md).

| where | command |
| --- | --- |
| all GPUs of a machine | `python -m job`, or `docker run --gpus all …` |
| two ranks on a CPU | `JOB_DEVICE=cpu JOB_PROCESSES_PER_NODE=2 python -m job` |
| Slurm | `sbatch slurm/train-multi-node.sh`: [slurm.md](slurm.md) |
| Kubernetes | `kubectl apply -k k8s/overlays/multi-node`: [kubernetes.md](kubernetes.md) |
| torchrun | `torchrun --nproc-per-node=8 -m job`; its exit code is 1 where the job's is not 0: [what is lost](slurm.md#under-torchrun) |

`JOB_BATCH_SIZE` is that of all ranks together and is divided among them; 78 if their number does not divide
it. One process is started for each visible GPU; `JOB_PROCESSES_PER_NODE=1` leaves it at one.

## What is equal, and what is not

| | equal | seen in |
| --- | --- | --- |
| N ranks and one rank, the same batch | weights within 2e-6 after eight steps, sums being cut otherwise | `tests/test_step_shared.py` |
| the flat exchange and `DistributedDataParallel` | likewise | the same |
| the ranks among themselves | bit for bit | the same |
| interrupted and not, as many ranks | bit for bit | `tests/test_ranks.py` |
| two ranks on two nodes and on one | bit for bit | `make test-nodes` |
| with dropout (`JOB_RECIPE=accurate`) | in distribution: each rank draws masks of its own | |

A run may go on with another number of ranks, for its checkpoints do not know how many there were: two
nodes stopped, and one went on alone (`make test-nodes`).

## When something happens

Seen on two network namespaces with host names and a resolver of their own (`make test-nodes`, as root,
three minutes):

| event | what the ranks do |
| --- | --- |
| rank 0's name is unknown for 35 s | wait, say every 10 s for what, meet; five minutes at most |
| the link between them is cut | both leave with 75 in less than 30 s, each names the other; the next start goes on |
| SIGTERM to one node | all stop at the same step, after a quarter of a second or one batch where it is longer; 75, nothing lost |
| one node knows its own name by the loopback | both end with its 78, before they have met |

A host tells the others the address that its own name has there. Where that is the loopback, as on Debian
with `127.0.1.1` in `/etc/hosts`, ranks of several nodes do not find each other; `GLOO_SOCKET_IFNAME=eth0`,
say, names the interface that leads to them. GPUs need it, too: NCCL exchanges the gradients, gloo the votes.

## Measured: gloo on this machine

Rounds: {rounds}, on {processor}, {cores} cores, torch {torch}; load average {load} before a round. Each
world is started anew in every round, its ranks with the launcher's share of the threads, and trains as the
job does: batches of 64 in all, a vote on stopping every quarter of a second (`job/world/pace.py`). Milliseconds
are the median over the rounds (least to most), ratios geometric means with their 95 % intervals.

{steps}

A step of two ranks spends {share_2} of its time in the exchange, of four {share_4}. The rest does not halve
with the batch either: one rank's threads have both cores already, and of 64 images or 32 the same 2.7 MB
of weights are read and written. A vote takes {vote_2} ms among two, {vote_4} ms among four.

One flat all-reduce beside torch's `DistributedDataParallel`, in the same processes by turns:

{wrapped}

`make scaling` measures this anew and writes this page (about ten minutes).

## The cost of an all-reduce

On a ring of n ranks, each sends 2(n-1)/n of the bytes in 2(n-1) hops:

    seconds = begin + 2(n-1) · hop + 2(n-1)/n · bytes / bandwidth

Held against gloo: a hop of {hop} µs and a bandwidth of {bandwidth} GB/s are what two ranks needed for 64 KiB
and 16 MiB, and the rest is computed. *Own links* takes it that each rank has that bandwidth for itself,
*one road* that all share what two had together, as they share a host's memory:

{check}

Where few bytes among four ranks take longer, the formula has no term for it: four processes take turns on
{cores} cores, and each hop waits for the next one's turn.

On GPUs, which have not been measured: the same formula with NCCL's own constants (`src/graph/tuning.cc`,
`src/graph/topo.h`: an NVLink hop 1.9 µs, between nodes 4 µs; NVLink 4 371 GB/s, PCIe 5 48, 100 GbE 12,
400 GbE 48), and its tree where that is faster (`bench/allreduce.py`).

{clusters}

* **This network, the same batch**: a step of 64 images is {arithmetic} µs of arithmetic for an H100 (67
  TFLOP/s), and that is all that more GPUs could divide. Each exchange above takes longer. What else a
  step costs, launching its kernels, every rank pays in full.
* **This network, a larger batch**: *images a GPU* is where computing takes as long as the exchange, so
  that n GPUs do n times the images in twice the time. Some times that many pay; then raise
  `JOB_LEARNING_RATE` with `JOB_BATCH_SIZE`.
* **Larger networks**: both sides grow with the weights, which cancel: what counts is the work on each GPU
  between two exchanges. *tokens a GPU* is where computing takes as long for any dense network in bf16 at
  400 TFLOP/s (6 operations a weight and token, 2 bytes a weight), without overlap and latency. Some
  thousand tokens hide the exchange on NVLink, and with one 400 GbE adapter a GPU; one adapter a node needs
  eight times as many, or gradients accumulated over several batches.

## Failures

A GPU that fails stops all of them. *Llama 3*: 419 unexpected interruptions of 16,384 GPUs in 54 days, one
in 50,670 GPU hours. *RSC*: 1.8 hours at 16,384 GPUs by the fit of
[2410.21680](https://arxiv.org/abs/2410.21680), whose jobs of 1,024 GPUs failed every 7.9 hours, more often
than the fit has it. *Save every* is Daly's optimum, in first order (Young's) the root of 2 · saving · mean
time between failures. *Goodput* is the share of the time that becomes durable work, simulated in {runs}
runs of 30 days each (`bench/failures.py`, seed {seed}), beside Daly's formula for it; *at 30 s* is
`JOB_CHECKPOINT_EVERY_SECONDS` as it is by default.

**This job**: {saving} s to save, {restart} s from start to the first step.

{this_job}

So the default is near the optimum even at the largest scale, and costs a third of a per cent where failures
are rare.

**A large model**: 10 s of standstill to save, 5 minutes to find the failure, start and load (assumptions).

{large}

The Llama 3 team reports more than 90 % at 16,384 GPUs. What a failure costs grows with the number of GPUs, in
proportion; what saving costs only as its root, if the interval follows.

![Goodput over the interval between checkpoints](../bench/results/failures.svg)

Points are simulated, lines computed, dotted lines Daly's optimum; a large model at Llama 3's rate. The curve
is flat around the optimum: half or twice the interval costs little, ten times costs much.
"""
