"""The optional compiled build: modules that mypyc takes, from the same source, beside that source in the wheel.

Off unless ``HATCH_BUILD_HOOK_ENABLE_CUSTOM=1`` stands in the environment; nothing here is read or installed otherwise.
What is compiled is said in ``pyproject.toml``. Everything
happens in a folder of its own, so that a checkout from which Wattline also runs stays interpreted.
"""
# ruff: noqa: INP001  # hatch looks for it here, and it is in no package

import subprocess
import sys
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MYPY = """[mypy]
strict = true
ignore_missing_imports = true
plugins = pydantic.mypy
"""
FLAGS = ["-ffp-contract=off"]
"""A product and a sum fused into one operation round once instead of twice: other last bits than the interpreter's."""


class Compiled(BuildHookInterface):
    """Adds the compiled modules to a wheel, which then is for one version of Python and one kind of machine."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; raise ``CalledProcessError`` where that fails, after mypyc or the C compiler said why.

        An editable install is left alone: it would go on with what was compiled when its source is edited.
        """
        if version == "editable":
            return
        self.temporary = TemporaryDirectory(prefix="wattline-compiled-")
        folder = Path(self.temporary.name)
        copytree(Path(self.root) / "src" / "wattline", folder / "wattline")
        (folder / "mypy.ini").write_text(MYPY)
        names = [
            f"wattline/{room}/{module}.py"
            for room, modules in self.config["modules"].items()
            for module in modules
        ]
        subprocess.run([sys.executable, Path(self.root) / "hatch_build.py", *names], cwd=folder, check=True)  # noqa: S603  # this file, with names from the build configuration
        out = folder / "out"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update(
            {str(file): str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
        )

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002  # hatch's own signature
        """Take the folder away."""
        if version != "editable":
            self.temporary.cleanup()


def main() -> None:
    """Compile the named files of the folder it runs in into ``out``."""
    from hatch_values import written_out  # noqa: PLC0415  # hatch finds this file by its path, with nothing beside it
    from mypyc.build import mypycify  # noqa: PLC0415  # is there only where the hook was asked for
    from setuptools import setup  # noqa: PLC0415  # as above

    for name in sys.argv[1:]:
        module = Path(name)
        module.write_text(written_out(module.read_text("utf-8")), "utf-8")
    extensions = mypycify(
        ["--config-file", "mypy.ini", *sys.argv[1:]], opt_level="2", debug_level="0", group_name="wattline"
    )
    for extension in extensions:
        extension.extra_compile_args += FLAGS
    setup(
        name="wattline",
        packages=[],
        ext_modules=extensions,
        script_args=["--quiet", "build_ext", "--build-lib", "out", "--build-temp", "objects"],
    )


if __name__ == "__main__":
    main()
