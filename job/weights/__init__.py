"""The weights in three formats, and how to read each without running anything that it brings.

`model.safetensors` and `model.pth` hold the quickstart's state_dict. `model.pt2` is a torch.export
program that predicts without this package. All are read as plain numbers, from files that are
small and whole: nothing is unpickled, and torch reads only what this process has just made.
"""

from job.weights.plain import encode as to_safetensors
from job.weights.program import encode as to_pt2
from job.weights.program import run as run_pt2
from job.weights.pth import encode as to_pth
from job.weights.reader import read, read_state

__all__ = ["read", "read_state", "run_pt2", "to_pt2", "to_pth", "to_safetensors"]
