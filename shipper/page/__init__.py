"""The report as a page: one HTML file that asks nobody for anything. Pure.

`charts.py` says what is drawn, as Vega-Lite with the table behind it (`chart.py`); `draw.py` has vl-convert draw it as SVG; `words.py` puts the numbers of users
into sentences; `render.py` fills `template.html` and shuts the page off by its Content-Security-Policy. vl-convert and
Jinja2 come with the extra `report`.
"""
