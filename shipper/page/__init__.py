"""Pages: each is one HTML file that asks nobody for anything. Pure.

The report (`render.py`, `report.html`): `charts.py` says what is drawn, as Vega-Lite with the table behind it (`chart.py`); `draw.py`
has vl-convert draw it as SVG; `words.py` puts the numbers of users into sentences. The reference of all codes (`codes.py`,
`codes.html`). Both extend `base.html`; `document.py` puts style and script in and shuts the page off by its
Content-Security-Policy. vl-convert and Jinja2 come with the extra `report`.
"""
