"""From matplotlib's SVG to one that lives in a page: themed, scalable, accessible, and the same bytes each
time.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from html import escape
from typing import Any

from .theme import FONT, LIGHT, css, variable

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+")
_SHORTHAND = re.compile(r"(?:(?:normal|italic|bold|[1-9]00)\s+)*(?P<size>[\d.]+)px\s")


def _shorter(path: str) -> str:
    """Path data without the letters that repeat: "L 1 2 L 3 4" is "L1 2 3 4"."""
    parts: list[str] = []
    last = ""
    for part in path.split():
        if part.isalpha() and part == last and part != "M":
            continue
        if part.isalpha():
            last = part
        parts.append(part)
    return " ".join(parts)


def _rounded(text: str) -> str:
    """Coordinates to a hundredth of a pixel: half the bytes, no visible change."""
    return _NUMBER.sub(lambda match: f"{round(float(match.group()), 2):.10g}", text)


def _restyle(element: ET.Element) -> None:
    """Presentation attributes in place of `style`, for every reader; variables in `style`, for the theme.

    A reader that does not know var() drops that declaration and keeps the attribute.
    """
    style = element.attrib.pop("style", "")
    themed = []
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if not name:
            continue
        if name == "font":  # "700 13px 'DejaVu Sans'": the size and weight stay, the family is the page's
            size = _SHORTHAND.search(value)
            if size:
                element.set("font-size", size.group("size"))
            if re.search(r"\b(bold|[6-9]00)\b", value):
                element.set("font-weight", "600")
        elif name == "font-size":
            element.set("font-size", value.removesuffix("px"))
        elif name == "font-weight":
            element.set("font-weight", "600" if value in ("bold", "600", "700") else value)
        elif name in ("font-family", "font-style", "font-stretch", "font-variant"):
            continue
        elif name in ("stroke-linejoin", "stroke-linecap") and value in ("round", "butt"):
            element.set(name, value)
        else:
            element.set(name, _rounded(value))
            if variable(value) != value:
                themed.append(f"{name}:{variable(value)}")
    if element.get("stroke-opacity") == "0":  # how matplotlib says: no edge
        element.set("stroke", "none")
        element.attrib.pop("stroke-opacity")
        themed = [declaration for declaration in themed if not declaration.startswith("stroke:")]
    if themed:
        element.set("style", ";".join(themed))


def _prune(parent: ET.Element, used: set[str], prefix: str) -> None:
    for child in list(parent):
        if child.tag in (f"{_SVG}metadata", f"{_SVG}title") or (child.tag == f"{_SVG}style"):
            parent.remove(child)
            continue
        _restyle(child)
        if child.get("id") in used:
            child.set("id", prefix + child.attrib["id"])
        else:
            child.attrib.pop("id", None)
        if _HREF in child.attrib:
            child.set("href", f"#{prefix}{child.attrib.pop(_HREF).removeprefix('#')}")
        if "clip-path" in child.attrib:
            child.set("clip-path", child.attrib["clip-path"].replace("url(#", f"url(#{prefix}"))
        for name in ("d", "x", "y", "width", "height", "transform", "points"):
            if name in child.attrib:
                value = _rounded(child.attrib[name])
                child.set(name, _shorter(value) if name == "d" else " ".join(value.split()))
        _prune(child, used, prefix)
        if child.tag in (f"{_SVG}g", f"{_SVG}defs") and not len(child):
            parent.remove(child)


def _text(element: ET.Element) -> str:
    """Serialised without a namespace prefix; ElementTree would write ns0: into every tag."""
    tag = element.tag.removeprefix(_SVG)
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in element.attrib.items())
    content = escape((element.text or "").strip(), quote=False) + "".join(_text(child) for child in element)
    return f"<{tag}{attributes}>{content}</{tag}>" if content else f"<{tag}{attributes}/>"


def to_svg(
    figure: Any, prefix: str, title: str, description: str, standalone: bool, classes: str = ""
) -> str:
    """`figure` as an SVG element. `standalone`: brings its own colours and paper; otherwise those of the
    page.
    """
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="svg",
        transparent=True,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    root = ET.fromstring(buffer.getvalue())
    references = {
        match
        for element in root.iter()
        for value in (element.get(_HREF, ""), element.get("clip-path", ""))
        for match in re.findall(r"#([\w.-]+)", value)
    }
    _prune(root, references, prefix)
    wide, high = (f"{float(value):.10g}" for value in root.attrib["viewBox"].split()[2:])
    body = "".join(_text(child) for child in root)
    style = paper = ""
    kind = f"losscope-figure {classes}".strip()
    if standalone:
        style = f"<style>{css('.' + kind.split()[0])}</style>"
        white = LIGHT["paper"]
        paper = f'<rect width="100%" height="100%" fill="{white}" style="fill:{variable(white)}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" viewBox="0 0 {wide} {high}" width="100%" '
        f'role="img" aria-labelledby="{prefix}title {prefix}desc" '
        'stroke-linejoin="round" stroke-linecap="butt" '
        f'font-family="{escape(FONT.replace(chr(34), chr(39)))}" '
        f'style="max-width:100%;font-variant-numeric:tabular-nums">'
        f'<title id="{prefix}title">{escape(title)}</title>'
        f'<desc id="{prefix}desc">{escape(description)}</desc>'
        f"{style}{paper}{body}</svg>"
    )
