"""The networks that a run can train: the quickstart's, torchvision's by name, and one's own."""

from job.model.mlp import NeuralNetwork, build, count_parameters

__all__ = ["NeuralNetwork", "build", "count_parameters"]
