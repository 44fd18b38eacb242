"""The whole of Foyer on one machine: what `make run` starts. Read `runner.py` first."""
