"""How a run may end before its steps do."""


class StepFailedError(Exception):
    """The step is given up."""

    def __init__(self, message: str, tokens: int = 0) -> None:
        super().__init__(message)
        self.tokens = tokens
        """What it used all the same."""


class StoppedError(Exception):
    """The gateway takes no more turns of this run: it used up its budget."""


class GoneError(Exception):
    """The workflow is deleted, or another one has its name: nobody is interested in this run any more."""
