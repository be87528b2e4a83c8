"""All charts of a report. Pure."""

from shipper.page.chart import Chart
from shipper.page.prompt_charts import caches, days, gaps, heat
from shipper.page.sign_in_charts import answer_times, failures, methods, refusers
from shipper.report.summary import Summary


def charts(summary: Summary) -> list[Chart]:
    """All charts for which the summary has numbers."""
    found = [gaps(summary), *heat(summary), *days(summary), methods(summary), *answer_times(summary), failures(summary)]
    if summary.cache is not None and summary.cache.double_prompts:
        found += [chart for kind in summary.cache.types for chart in caches(kind, summary.cache.double_prompts)]
    if summary.security.refusers:
        found.append(refusers(summary))
    return [chart for chart in found if chart.rows]
