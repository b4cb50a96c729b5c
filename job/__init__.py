"""One environment-configured training job: check the GPU, train, evaluate, deliver."""

__version__ = "0.1.0"
