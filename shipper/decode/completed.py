"""The fast path for those who want completed authentications, and not the text of each event. Pure.

An optimisation of `plain.py`, nothing else: of a plain exchange it makes the completion and the label of the event that
completed it, with an empty text. All other lines take the paths that they always take. A property test compares what
it makes with what `plain.py` makes.
"""

from shipper.decode.halves import NO_EXCHANGE, take_half
from shipper.decode.plain import EXCHANGES, NOBODY, FastParser
from shipper.decode.templates import CALL, STATUS, VERDICT, Tally, count
from shipper.model import Chunk, ExchangeFields, UserFields

_CALL, _VERDICT, _STATUS = len(CALL), len(VERDICT), len(STATUS)


class CompletionParser(FastParser):
    """A `FastParser` whose plain exchanges have no text, and no event but the one that completes them."""

    def _exchanges(self, chunk: Chunk, text: str, gap: int) -> bool:
        general, offset = self.general, chunk.offset
        state, prefix = NOBODY, f"{general.file.fingerprint}-"
        timeout, patience = general.options.exchange_timeout, 2 * general.options.exchange_timeout
        opens, newest, limit = state.exchanges.open, state.newest, state.limit
        threads, known, seconds = self.threads, self.threads.known, general.stamps.seconds
        texts, labels, tallies = general.texts, general.labels, list[Tally]()
        add, tag, complete, tell = texts.append, labels.append, general.completions.append, tallies.append
        who: UserFields | None
        exchange: ExchangeFields
        requests = halves = 0
        for stamp, second, fraction, head, domain, name, tail, verdict, status, alone in EXCHANGES(text):
            whole = seconds[second]
            thread = known.get(head) or (threads.find(head) if whole is not None else None)
            if thread is not None and thread.state is not state:
                state.newest, state = newest, thread.state
                opens, newest, limit, state.spoke = state.exchanges.open, state.newest, state.limit, True
            if name and thread is not None and whole is not None:
                if domain:
                    user = f"{domain}\\{name}"
                    who, shared = (name, domain, None, user.casefold()), thread.process
                else:
                    user = name
                    who, shared = threads.user(name, thread.process)
                time = whole + int(fraction) * 1000
                exchange = (time, stamp, f"{prefix}{offset}", who, shared, None)
                template = thread.templates.requests.get(tail) or thread.templates.request(tail)
                if template and shared and time <= limit and opens.setdefault(thread.key, exchange) is exchange:
                    newest = time if time > newest else newest
                    general.last_time = stamp
                    requests += 1
                    offset += len(stamp) + len(head) + _CALL + len(user) + len(tail) + gap
                    continue
            elif status and thread is not None and whole is not None:
                start, start_text, event_id, who, _, _ = opens.get(thread.key, NO_EXCHANGE)
                time = whole + int(fraction) * 1000
                if 0 <= time - start <= timeout and time <= limit and (newest if newest > time else time) - start <= patience:
                    newest = time if time > newest else newest
                    pair = thread.templates.pairs.get((verdict, status)) or thread.templates.pair(verdict, status)
                    if pair:
                        _, _, _, origin, code, success, tally = pair
                        size = len(stamp) + len(head)
                        offset += size + _VERDICT + len(verdict) + gap
                        tag((stamp, f"{prefix}{offset}", origin, who and who[3]))
                        add("")
                        general.last_time = stamp
                        at, component = len(texts) - 1, thread.component
                        complete((at, who, event_id, component, start, start_text, time, stamp, code, success, newest))
                        del opens[thread.key]
                        tell(tally)
                        offset += size + _STATUS + len(status) + gap
                        continue
            state.newest = newest
            halved = (verdict or alone) and not status
            done = take_half(general, thread, stamp, whole, fraction, verdict, alone, offset, stamp + head) if halved else 0
            halves += done
            offset = offset + done + gap if done else self._general(chunk, offset, 2 if status else 1)
            newest, limit = state.newest, state.limit
        state.newest = newest
        general.counts.requests += requests
        general.counts.lines += requests
        count(general.counts, tallies)
        return bool(requests or tallies or halves)
