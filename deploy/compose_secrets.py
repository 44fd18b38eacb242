"""Makes the secrets of the compose set-up: `python -m deploy.compose_secrets FOLDER`. Secrets that are there stay.

Each service gets a file of its own with its own Redis user and what else it must know, and nothing more; the server
gets the users with their rights. Only hashes of the passwords are in the server's file, which its container must be
able to read under another user id.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.acl import RIGHTS, acl_file

SIGNS_TOKENS = frozenset({"collector", "operator-gateway"})
HEAD = "# Secrets of this installation: private, and to be kept. Visitors' tokens are signed with FOYER_SECRET.\n"


def files() -> Mapping[str, str]:
    """Name and text of every file, with fresh secrets of characters that need no escaping anywhere."""
    passwords = {name: secrets.token_hex(24) for name in RIGHTS}
    signing = secrets.token_hex(32)
    made = {"users.acl": acl_file(passwords)}
    for name, password in passwords.items():
        lines = [f"REDIS_URL=redis://{name}:{password}@valkey:6379/0\n"]
        if name in SIGNS_TOKENS:
            lines.append(f"FOYER_SECRET={signing}\n")
        made[f"{name}.env"] = HEAD + "".join(lines)
    return made


def main() -> int:
    folder = Path(sys.argv[1])
    if (folder / "users.acl").exists():
        print(f"the secrets in {folder} are there already and stay as they are")
        return 0
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = files()
    for name in sorted(made):  # users.acl comes last: when it is there, all of it is
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(made[name])
    (folder / "users.acl").chmod(0o644)
    print(f"secrets made in {folder}, readable by you alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
