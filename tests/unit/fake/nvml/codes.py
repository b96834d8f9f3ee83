"""What a call of NVML answers, as a number."""

import pynvml


def code_of(call, *arguments):
    """Return the code of a call's error, 0 where there is none."""
    try:
        call(*arguments)
    except pynvml.NVMLError as error:
        return error.value
    return 0
