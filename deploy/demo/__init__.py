"""The demo website of `make run`: a small shop that nobody runs, with Foyer's tracker on every page. Read `app.py`."""
