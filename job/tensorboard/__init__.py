"""The run as TensorBoard reads it: event files, written by a thread, a courtesy to whoever watches.

Importing this is cheap: the package of that name is imported by the thread, once there is a run.
"""

from job.tensorboard.board import Board, make_board, require_installed

__all__ = ["Board", "make_board", "require_installed"]
