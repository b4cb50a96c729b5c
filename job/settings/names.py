"""What names a network and a dataset: those that the job knows, and one's own.

Whether torchvision has a model of that name is asked when the run begins: here nothing slow is
imported.
"""

from typing import Annotated, Literal

from pydantic import Field

OwnCode = Annotated[
    str,
    Field(pattern=r"^[\w.]+:[\w.]+$", description="package.module:function"),
]
ModelName = (
    Literal["mlp"]
    | Annotated[
        str, Field(pattern=r"^[a-z0-9_]+$", description="a classification model of torchvision")
    ]
    | OwnCode
)
PublishedDataset = Literal[
    "fashion-mnist",
    "mnist",
    "kmnist",
    "qmnist",
    "emnist",
    "emnist-byclass",
    "emnist-bymerge",
    "emnist-letters",
    "emnist-digits",
    "emnist-mnist",
    "cifar10",
]
DatasetName = Literal[PublishedDataset, "image-folder"] | OwnCode
