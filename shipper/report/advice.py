"""Recommendations in sentences: the cache rule, the RADIUS timeout, the NPS extension. Pure."""

from collections.abc import Sequence

from shipper.report.sections import Cache, CacheType, NoCache, Recommendation, Step, Timeout

ENOUGH = 0.95  # share of the double prompts that the best cache would spare
WORTH = 600  # seconds of the longest cache to recommend
LEAST_TIMEOUT = 60  # seconds, as Microsoft asks of RADIUS clients
MOST_TIMEOUT = 120
NAMED = 5  # most addresses in a sentence

WHERE = [
    "Microsoft Entra admin center: Protection, Multifactor authentication, Caching rules, Add",
    "in the older management portal: Configure, Caching, New Cache",
    "Cache type, then Cache seconds; authentication type and application as narrow as they can be",
]
TYPE_NAMES = {
    "user": "by user",
    "user_and_address": "by user, application and IP address",
}


def recommended(types: Sequence[CacheType], double_prompts: int, users: int) -> Recommendation:
    """Recommend the shortest cache that spares nearly as much as the best one of up to `WORTH`, of the narrowest type that does.

    Args:
        types: the simulations, the widest type first.
        double_prompts, users: second prompts of double prompts on MFA Server, and the users who got them.
    """
    if not double_prompts:
        return Recommendation(
            seconds=None, type=None, sentence="No double prompt of MFA Server: no cache rule is needed.", where=[]
        )
    [by_user, *narrower] = types
    step = _shortest(by_user)
    if step is None:
        sentence = (
            f"No cache of up to {spoken(WORTH)} would have spared any of the {counted(double_prompts, 'double prompt')}: "
            "the first prompts did not end in success, or the second ones came later."
        )
        return Recommendation(seconds=None, type=None, sentence=sentence, where=[])
    chosen = by_user
    for kind in narrower:
        same = next(other for other in kind.not_renewed if other.seconds == step.seconds)
        if same.spared_double_prompts == step.spared_double_prompts:
            chosen, step = kind, same
    a_day = rounded(step.without_prompt_a_day)
    sentence = (
        f"Set a cache of {spoken(step.seconds)} {TYPE_NAMES[chosen.type]}: it would have spared {step.spared_double_prompts:,} of "
        f"{counted(double_prompts, 'double prompt')}, all of them for {step.users_spared_all:,} of {counted(users, 'user')}. The "
        f"price: {a_day} {'sign-in' if a_day == '1' else 'sign-ins'} a day would have passed without a prompt, none later than "
        f"{spoken(step.longest_without_prompt)} after an answered one."
    )
    return Recommendation(seconds=step.seconds, type=chosen.type, sentence=sentence, where=WHERE)


def _shortest(kind: CacheType) -> Step | None:
    steps = [step for step in kind.not_renewed if step.seconds <= WORTH]
    best = max(step.spared_double_prompts for step in steps)
    if not best:
        return None
    return next(step for step in steps if step.spared_double_prompts >= ENOUGH * best)


def timeout(concurrent: int, addresses: Sequence[str], p99: float | None, repeat: float | None) -> Timeout | None:
    """Recommend a timeout for RADIUS clients; None if no double prompt is concurrent.

    Args:
        concurrent: double prompts whose second request came while the first was open.
        addresses: the known addresses of the clients that sent them.
        p99: seconds within which 99 of 100 answers come.
        repeat: seconds after which half of the second requests came.
    """
    if not concurrent:
        return None
    seconds = min(MOST_TIMEOUT, max(LEAST_TIMEOUT, -(-int(p99 or 0) // 10) * 10))
    shown, more = addresses[:NAMED], len(addresses) - NAMED
    where = f" on {', '.join(shown)}" + (f" and {more:,} more" if more > 0 else "") if shown else " on the RADIUS clients"
    after = "" if repeat is None else f", half of them within {spoken(repeat)} of it"
    sentence = (
        f"{counted(concurrent, 'second prompt')} came while the first was still open{after}: set the RADIUS timeout{where} to "
        f"{spoken(seconds)} or more, and switch retries off."
    )
    return Timeout(concurrent=concurrent, seconds=seconds, addresses=list(addresses), sentence=sentence)


def no_cache(prompts: int, double_prompts: int) -> NoCache | None:
    """Say what helps with the NPS extension; None if it sent no prompts."""
    if not prompts:
        return None
    sentence = (
        f"The NPS extension has no cache: its {counted(double_prompts, 'double prompt')} {'needs' if double_prompts == 1 else 'need'} a RADIUS timeout of 60 seconds or more "
        "without retries on the VPN and on each RADIUS proxy, one tunnel or gateway a sign-in, and number matching or a trusted "
        "network in place of a second question."
        if double_prompts
        else f"The NPS extension asked {times(prompts)}, never twice for one sign-in."
    )
    return NoCache(prompts=prompts, double_prompts=double_prompts, sentence=sentence)


def answer(
    prompts: int, double_prompts: int, users: int, span: tuple[str, str] | None, cache: Cache | None, timeout: Timeout | None,
    no_cache: NoCache | None,
) -> list[str]:  # fmt: skip
    """Sum up the report in a few sentences: how many double prompts, which cache, which timeout."""
    if span is None:
        return ["No authentication was found."]
    days = span[0][:10] if span[0][:10] == span[1][:10] else f"{span[0][:10]} to {span[1][:10]}"
    if not double_prompts:
        return [f"{days}: {counted(prompts, 'prompt')}, and nobody was asked twice."]
    said = [
        f"{days}: {counted(users, 'user')} {'was' if users == 1 else 'were'} asked twice, "
        f"{times(double_prompts)} in {counted(prompts, 'prompt')} ({100 * double_prompts / prompts:.1f} %)."
    ]
    said += [cache.recommendation.sentence] if cache and cache.double_prompts else []
    said += [timeout.sentence] if timeout else []
    return said + ([no_cache.sentence] if no_cache and no_cache.double_prompts else [])


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 user`, `2 users`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def times(number: int) -> str:
    """Return `once`, or `2 times`."""
    return "once" if number == 1 else f"{number:,} times"


def rounded(number: float) -> str:
    """Format a number with at most one decimal: `33.4`, `9,132`."""
    return f"{number:,.1f}".removesuffix(".0")


def spoken(seconds: float) -> str:
    """Format a duration for people: `45 s`, `9.4 s`, `10 min`, `1 h`."""
    if seconds >= 3600:
        return f"{seconds / 3600:.3g} h"
    if seconds >= 120:
        return f"{seconds / 60:.3g} min"
    return f"{seconds:.3g} s"
