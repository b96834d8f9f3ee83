"""The command line of `wattline restore`."""

import pytest
from click.testing import CliRunner

from wattline.cli.restore import restore

WRONG = {
    "a cluster, but not said that it is for all nodes": (["--cluster"], "--all --cluster"),
    "a timeout that is no number": (["--timeout", "soon"], "'soon' is not a number of seconds"),
    "a cluster, from outside of a pod": (["--all", "--cluster", "--timeout", "1s"], "this is no pod"),
    "a box without a state folder": (["--state", "nowhere"], "there is no state folder nowhere"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_restored_is_said_in_one_line(arguments, said, monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(restore, arguments)

    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output
