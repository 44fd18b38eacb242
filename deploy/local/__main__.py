"""`python -m deploy.local`: the whole of Foyer on this machine. Settings: docs/operations.md."""

import os
import sys

from deploy.local.runner import run_with
from deploy.local.settings import LocalSettings, SettingsError


def main() -> int:
    try:
        settings = LocalSettings.from_environment(os.environ)
    except SettingsError as error:
        print(f"Foyer cannot run: {error}", file=sys.stderr)
        return 1
    return run_with(settings)


if __name__ == "__main__":
    sys.exit(main())
