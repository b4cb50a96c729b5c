"""Is this node fit to train? `node.inspect` says so, check by check, each with its remedy.

Nothing is imported here, because half of the package is of use without torch.
"""
