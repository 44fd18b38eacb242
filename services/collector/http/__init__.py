"""The collector's HTTP edge. Read :mod:`edge` (routes and errors), then :mod:`beacon`."""
