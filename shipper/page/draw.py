"""Draw a Vega-Lite chart as SVG for the page, with vl-convert. Pure."""

from xml.etree import ElementTree

import vl_convert

from shipper.page.chart import Spec

SVG = "http://www.w3.org/2000/svg"
NOWHERE = ["https://nowhere.invalid/"]  # the only address that a chart may load data from
_ATTRIBUTES = ("role", "aria-roledescription", "aria-label", "aria-hidden")

ElementTree.register_namespace("", SVG)


def drawn(spec: Spec, name: str, says: str) -> str:
    """The chart as one `<svg>` element.

    It scales with its box, and is one image to a screen reader (the table behind it has the numbers). The page shows the
    `data-says` of a mark when the pointer is on the mark.

    Args:
        spec: the chart.
        name: makes its ids differ from those of other charts on the page.
        says: what the chart shows.
    """
    text = vl_convert.vegalite_to_svg(spec, vl_version="6.1", allowed_base_urls=NOWHERE)
    root = ElementTree.fromstring(text)  # noqa: S314  our own chart, and vl-convert writes no document type
    for element in root.iter():
        mark = element.get("role") == "graphics-symbol" and element.get("aria-roledescription") not in ("axis", "legend")
        label = element.get("aria-label")
        for attribute in _ATTRIBUTES:
            element.attrib.pop(attribute, None)
        if mark and label is not None:
            element.set("data-says", label)
    _rename_clips(root, name)
    for attribute in ("class", "version", "width", "height"):
        root.attrib.pop(attribute, None)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", says)
    return ElementTree.tostring(root, encoding="unicode")


def _rename_clips(root: ElementTree.Element, name: str) -> None:
    """Name clip paths after the chart: vl-convert numbers them across all charts of a process."""
    names = {f"url(#{path.get('id')})": f"{name}-clip-{number}" for number, path in enumerate(root.iter(f"{{{SVG}}}clipPath"))}
    for element in root.iter():
        if (used := element.get("clip-path")) is not None:
            element.set("clip-path", f"url(#{names[used]})")
    for path, new in zip(root.iter(f"{{{SVG}}}clipPath"), names.values(), strict=True):
        path.set("id", new)
