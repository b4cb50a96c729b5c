"""Who takes part in `make bench`: the name, and what a reader is told that it is.

Neighbours here are neighbours in time, so those whose ratio is a bar stand beside each other.
"""

from typing import Final

# One epoch of training, after an epoch that warms up.
TRAINING: Final = {
    "tutorial": "the quickstart to the letter",
    "job": "this job, `JOB_STEP=auto`",
    "jax": "JAX, the epoch in one jitted scan",
    "gemms": "roofline: the products of a step by torch.mm",
    "gemms-best": "roofline: the products of a step by the calls of the job",
    "job-bf16": "this job, `JOB_PRECISION=bf16`",
    "job-eager": "this job, `JOB_STEP=eager`",
    "sklearn": "scikit-learn's MLPClassifier",
    "tensor-dataset": "DataLoader over a TensorDataset",
    "torch-compile": "torch.compile over resident tensors",
}
# Other work of the same process.
PARTS: Final = {
    "to-71": "this job with a rate of 0.1, up to 71 %",
    "evaluation": "this job's evaluation of 10,000 images",
}
# A program from its start to its end, by the clock of the one who started it.
PROGRAMS: Final = {
    "job-whole": "`python -m job`",
    "tutorial-whole": "the quickstart as a script that leaves the same files",
    "explain": "`python -m job explain`",
}
MEANING: Final = TRAINING | PARTS | PROGRAMS
# Neither the job's nor a roofline: what a user would pick instead, but for the tutorial and JAX.
OTHER_RIVALS: Final = ("sklearn", "tensor-dataset", "torch-compile")
