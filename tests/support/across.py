"""Several logs through `--across`, in this process, without files."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

from shipper.across import Gathered, Part, findings_across
from shipper.model import Counts
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks
from tests.support.logs import log_file


def ship_across(how: Settings, sources: Sequence[Sequence[bytes]], counts: Counts) -> tuple[bytes, bytes]:
    """The events of all logs, each given as its files, and the findings over all of them."""
    how = replace(how, across=True)
    events: list[bytes] = []
    with Gathered(how.library.codes.codes) as gathered:
        spool = gathered.spool()
        for number, files in enumerate(sources):
            pipeline, begin = Pipeline(how, counts), spool.end
            pipeline.on_completed = spool.add
            for data in files:
                pipeline.open(log_file(data))
                chunks = read_chunks(BytesIO(data).read, 0, "utf-8", how.read_size, how.line_limit)
                events += [pipeline(chunk).data for chunk in chunks]
            events.append(pipeline.close().data)
            gathered.add(number, number, Part(spool, begin, spool.end))
        found = [block.data for block in findings_across(how, gathered.logs, counts)]
    return b"".join(events), b"".join(found)
