"""Errors that fastnet raises beside Python's own ``ValueError`` and ``TypeError``."""


class DivergenceError(ArithmeticError, ValueError):
    """Training produced a loss or a weight that is not finite.

    The message names the epoch and the learning rate; the network keeps the weights of the last whole epoch.

    Attributes
    ----------
    epoch : int
        The epoch it happened in; the first is 1.
    """

    def __init__(self, message: str, epoch: int = 1):
        super().__init__(message)
        self.epoch = epoch


class FormatError(ValueError):
    """A data or model file does not hold what its format promises.

    The message names the file, the byte or field, what was found and what is expected.
    """


class CheckpointError(OSError):
    """A folder of checkpoints can't be used, or a checkpoint can't be written or resumed from.

    The message names the path and says what is wrong; older checkpoints are as they were.
    """


class DownloadError(OSError):
    """A data set could not be downloaded from any mirror.

    The message lists what was tried and says how to place the files by hand.
    """
