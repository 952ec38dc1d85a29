"""SVG pictures as parts of HTML pages."""

import re
from xml.etree import ElementTree

# Elements that draw and tell, and do nothing else.
DRAWING = {
    "svg", "g", "path", "rect", "line", "circle", "ellipse", "polyline", "polygon", "text", "tspan",
    "defs", "use", "clipPath", "image", "style", "title", "desc",
}  # fmt: skip
# What fetches from elsewhere in a style.
ELSEWHERE = r"@import|url\((?!#)"


def inline(svg: str, alt: str) -> str | None:
    """The picture as an element of a page, without the words on who made it.

    It is written anew from what was read, so that HTML, which reads comments and sections of text
    otherwise than XML, can't find more in it.

    Returns:
      None where the text is no SVG, or does more than draw: a script, another document, a link.
    """
    if re.search(ELSEWHERE, svg):
        return None
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError:
        return None
    for element in root.iter():
        for inside in list(element):
            if _local(inside.tag) == "metadata":
                element.remove(inside)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): value for name, value in element.attrib.items()}
        harmless = all(_harmless(name, value) for name, value in element.items())
        if element.tag not in DRAWING or not harmless:
            return None
    root.attrib = {"role": "img", "aria-label": alt, **root.attrib}
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """A name without its namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]


def _harmless(name: str, value: str) -> bool:
    outside = name == "href" and not value.startswith(("#", "data:image/png;"))
    return not outside and not name.lower().startswith("on")
