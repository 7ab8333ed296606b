"""
Compiles the steps in place, for images: `python deploy/compile_steps.py FOLDER`.

FOLDER holds our packages. What each event goes through there becomes an extension module beside its source, which
Python then takes instead of it: the same program at about a sixth less work (docs/adr/0020). It takes a C compiler,
Python's headers and what `deploy/requirements-compile.txt` pins.

A working copy is refused: what is edited there would be without effect.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

# What a record goes through in both steps, and nothing that has models of pydantic, which look at their own source.
# Not the formats: they spend their time in msgspec.
MODULES = (
    *("user_step", "workspace_step", "steps", "usual", "user", "workspace", "telling", "judging", "score"),
    *("active_days", "core_use", "volume", "window", "fired", "measures", "bounds", "arming", "billing", "clock"),
    *("policy", "waiting", "alerting", "case", "compiled", "codec", "shard", "schedule", "moments"),
)
RULES = "rules"
# Names stay dynamic, annotations stay notes, and functions look like functions: so far as a program can tell, nothing
# has changed.
_DIRECTIVES = {"language_level": 3, "annotation_typing": False, "binding": True, "infer_types": False}
_OPTIONS = ("-O2", "-g0", "-fno-semantic-interposition")


def sources(package: Path, names: tuple[str, ...] = MODULES) -> list[Path]:
    """The files that are compiled, below the folder of the package `signals`."""
    return [package / f"{name}.py" for name in names] + sorted(
        rule for rule in (package / RULES).glob("*.py") if rule.name != "__init__.py"
    )


def compile_in_place(folder: Path, files: list[Path]) -> None:
    """
    Compile modules below a folder; each extension stands beside its source.

    Raises:
        SystemExit: A file is not there, or Cython or the C compiler refuses one.
    """
    from Cython.Build import cythonize
    from setuptools import Extension, setup

    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="plg-compile-") as work:
        os.chdir(folder)
        try:
            names = [".".join(file.relative_to(folder).with_suffix("").parts) for file in files]
            extensions = [
                Extension(name, [str(file.relative_to(folder))], extra_compile_args=list(_OPTIONS))
                for name, file in zip(names, files, strict=True)
            ]
            compiled = cythonize(
                extensions, build_dir=work, compiler_directives=_DIRECTIVES, nthreads=os.cpu_count() or 1, quiet=True
            )
            places = ["--inplace", "--build-temp", work, "--build-lib", work]
            arguments = ["--quiet", "build_ext", *places, "--parallel", str(os.cpu_count() or 1)]
            setup(name="steps", packages=[], ext_modules=compiled, script_args=arguments)
        finally:
            os.chdir(here)


def main() -> None:
    """Read the arguments, say what is missing, and compile."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="where our packages stand: a copy, such as /app of an image")
    folder = parser.parse_args().folder.resolve()
    missing = [file for file in sources(folder / "signals") if not file.is_file()]
    if missing or not (folder / "signals").is_dir():
        sys.exit(f"compile: {folder} has no {missing[0].relative_to(folder) if missing else 'signals'}")
    if (folder / ".git").exists():
        sys.exit(
            f"compile: {folder} is a working copy, in which edits would be without effect from then on; "
            "make a copy first: git archive HEAD | tar -x -C FOLDER"
        )
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        sys.exit(f"compile: no C compiler ({compiler}); on Debian and Ubuntu: apt-get install gcc libc6-dev")
    files = sources(folder / "signals")
    print(f"compiling {len(files)} modules, some minutes", flush=True)
    compile_in_place(folder, files)
    print(f"compiled {len(files)} modules for Python {sys.version.split()[0]}", flush=True)


if __name__ == "__main__":
    main()
