"""What the fictional shop sells, and the addresses and titles of its pages (simulated visitors walk along these)."""

from __future__ import annotations

from dataclasses import dataclass

SHOP = "Halden & Birch"


@dataclass(frozen=True)
class Piece:
    """One product."""

    slug: str
    name: str
    kind: str
    price_eur: int
    line: str
    story: str
    facts: tuple[tuple[str, str], ...]


PIECES = (
    Piece(
        "sund-lounge-chair",
        "Sund",
        "Lounge chair",
        1290,
        "Leans back just far enough for a second chapter.",
        "A frame of steam-bent ash carries a seat that gives a little and then holds. The slope took us eleven models; "
        "the twelfth is the one that people fall asleep in.",
        (("Width", "72 cm"), ("Seat height", "39 cm"), ("Wood", "Ash, oiled"), ("Delivery", "5 to 6 weeks")),
    ),
    Piece(
        "vik-dining-table",
        "Vik",
        "Dining table",
        2140,
        "Seats six. Eight, if you like each other.",
        "One plank, sawn once, opened like a book, so that the grain meets in the middle. The legs come off with one "
        "key, which lies in a pocket under the top.",
        (("Length", "200 or 240 cm"), ("Height", "74 cm"), ("Wood", "Oak, soaped"), ("Delivery", "6 to 8 weeks")),
    ),
    Piece(
        "lumen-pendant",
        "Lumen",
        "Pendant lamp",
        390,
        "Light for the table, not for the eyes.",
        "Spun from one sheet of aluminium and enamelled by hand. The rim sits low enough to hide the bulb from every "
        "chair in the room.",
        (("Diameter", "42 cm"), ("Cord", "3 m, linen"), ("Light", "E27, up to 40 W"), ("Delivery", "1 week")),
    ),
    Piece(
        "lund-shelf",
        "Lund",
        "Shelf",
        860,
        "Grows by a box whenever you do.",
        "Boxes that hook into each other without a tool. Start with four; the ones you add in ten years will fit, and "
        "will be of the same tree.",
        (("Width", "36 cm a box"), ("Depth", "30 cm"), ("Wood", "Birch"), ("Delivery", "2 weeks")),
    ),
    Piece(
        "ask-stool",
        "Ask",
        "Stool",
        240,
        "A seat, a table, a ladder to the jam.",
        "Three legs never wobble. Turned on a lathe from offcuts of our tables, so each one is a shade different.",
        (("Height", "45 or 65 cm"), ("Seat", "34 cm"), ("Wood", "Ash or walnut"), ("Delivery", "1 week")),
    ),
    Piece(
        "fjord-sofa",
        "Fjord",
        "Sofa",
        3480,
        "Deep, quiet, and washable to the last seam.",
        "The covers come off in four minutes (we race each other). Inside: wool, natural latex, and a beech frame that "
        "we guarantee for twenty-five years.",
        (("Width", "228 cm"), ("Depth", "98 cm"), ("Cover", "Wool or linen"), ("Delivery", "8 weeks")),
    ),
)

# Path and title of every page but the products' and the studio's steps.
PAGES = (
    ("/", "Furniture made to order"),
    ("/collection", "Collection"),
    ("/about", "The workshop"),
    ("/contact", "Talk to us"),
)

# The studio is one page whose script changes address and title: what a tracker must notice by itself.
STUDIO_STEPS = (
    ("/studio", "Design studio"),
    ("/studio/shape", "Shape"),
    ("/studio/wood", "Wood"),
    ("/studio/finish", "Finish"),
    ("/studio/summary", "Your table"),
)


def page_title(title: str) -> str:
    """The text of the tab."""
    return f"{title} · {SHOP}"


def all_pages() -> list[tuple[str, str]]:
    """Path and tab title of every page that a visitor can reach."""
    pieces = [(f"/collection/{piece.slug}", f"{piece.name}, {piece.kind.lower()}") for piece in PIECES]
    return [(path, page_title(title)) for path, title in (*PAGES, *pieces, *STUDIO_STEPS)]
