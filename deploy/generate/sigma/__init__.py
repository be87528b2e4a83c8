"""Everything that follows from the Sigma rules: queries in four languages, Kibana's rules, Splunk's saved searches."""

from deploy.generate.sigma import kibana, queries, splunk
from deploy.generate.sigma.rules import rules

KIBANA = "elastic/rules/mfa-shipper-rules.ndjson"
SPLUNK = "splunk/mfa-shipper/default/savedsearches.conf"


def files() -> dict[str, bytes]:
    """Path below `deploy/`, content."""
    every = rules()
    texts = {KIBANA: kibana.ndjson(every), SPLUNK: splunk.savedsearches(every)}
    for rule in every:
        made = {
            f"sigma/eql/{rule.stem}.eql": queries.eql(rule),
            f"sigma/esql/{rule.stem}.esql": queries.esql(rule),
            f"sigma/splunk/{rule.stem}.spl": queries.splunk(rule),
            f"sigma/lucene/{rule.stem}.txt": queries.lucene(rule),
            f"sigma/lucene/{rule.stem}.json": queries.search(rule),
        }
        texts |= {path: text for path, text in made.items() if text is not None}
    return {path: text.encode() for path, text in texts.items()}
