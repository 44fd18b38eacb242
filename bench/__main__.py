"""`python -m bench` lists the benchmarks; `python -m bench NAME [OPTION ...]` runs one.

Each is a module of this package that can be run by itself, says in its first line what it measures, and compares with a
baseline in the same run.
"""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def described() -> dict[str, str]:
    """The benchmarks with the first line of their text, read without importing them."""
    files = sorted(path for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
    texts = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files}
    return {name: text.partition("\n")[0] for name, text in texts.items()}


def main(arguments: list[str]) -> int:
    """List, or run the one that is named."""
    known = described()
    if not arguments:
        for name, text in known.items():
            print(f"  {name:20} {text}")
        print("\nmake bench ARGS=NAME runs one")
        return 0
    name = arguments[0]
    if name not in known:
        print(f"there is no benchmark {name!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    sys.argv = [f"bench.{name}", *arguments[1:]]
    runpy.run_module(f"bench.{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
