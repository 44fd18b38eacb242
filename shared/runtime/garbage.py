"""How often Python looks for cyclic garbage, and through what, in a process that holds much for long.

A full collection looks at every container there is. In a gateway these are the sorted indexes of 100,000 visitors and
what belongs to thousands of sockets: a tenth of a second each time, again and again while connections come. Nearly
nothing of it is ever cyclic garbage. So young objects are looked through less often, and what has been built to stay
is taken out of the collector's sight. Reference counts free it all the same. Read :func:`keep`.
"""

from __future__ import annotations

import gc

# New containers that live before the young are looked through, 3 ms of work; and how often before what lived through
# that is looked through again, 25 ms.
YOUNG = 5_000
MIDDLE = 10
OLD = 50


def settle() -> None:
    """Once, when a service stands: what was imported and put together until now stays."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.collect()
    gc.freeze()


def keep() -> None:
    """Something large was built that stays for long (and contains no cycles): the collector need not look at it again.

    Everything that exists now is meant by that, so garbage of this moment that only the collector would find stays,
    too: the young are looked through first, and callers do this seldom.
    """
    gc.collect(1)
    gc.freeze()
