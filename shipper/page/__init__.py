"""Pages: each is one HTML file that makes no requests. Pure.

The report (`render.py`, `report.html`): `charts.py` builds the charts, each as Vega-Lite with the table behind it (`chart.py`);
`draw.py` draws them as SVG with vl-convert; `words.py` turns the numbers of users into sentences. The reference of all codes
(`codes.py`, `codes.html`). Both templates extend `base.html`; `document.py` inlines style and script and adds a
Content-Security-Policy that blocks all else. vl-convert and Jinja2 come with the extra `report`.
"""
