"""`python -m services.operator_gateway admin ...`: the command line for set-up and repair."""

import sys

from services.operator_gateway import admin

if __name__ == "__main__":
    if sys.argv[1:2] != ["admin"]:
        sys.exit("usage: python -m services.operator_gateway admin COMMAND")
    sys.exit(admin.main(sys.argv[2:]))
