"""The networks that a run can train: the quickstart's, torchvision's by name, and one's own."""

from job.model.fitting import start_from
from job.model.mlp import NeuralNetwork, build, count_parameters
from job.model.networks import MLP, Wanted, blank_copy, make, plain_copy, require_fit, require_known
from job.model.preparation import bare
from job.model.tying import apart

__all__ = [
    "MLP",
    "NeuralNetwork",
    "Wanted",
    "apart",
    "bare",
    "blank_copy",
    "build",
    "count_parameters",
    "make",
    "plain_copy",
    "require_fit",
    "require_known",
    "start_from",
]
