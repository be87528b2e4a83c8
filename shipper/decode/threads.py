"""Values that the plain lines of a thread share, and users as JSON. Part of the fast path, see `plain.py`. Pure."""

import re
from collections.abc import Callable

from shipper.decode.clock import ComponentState, LogState
from shipper.decode.parser import Parser
from shipper.decode.pieces import Pieces, process_json, user_pieces
from shipper.decode.principal import split_principal
from shipper.decode.templates import Templates
from shipper.model import LogFile, UserFields

_PLAIN = re.compile(r"\|([0-9A-Za-z])\|(0|[1-9][0-9]{0,17})\|(0|[1-9][0-9]{0,17})\|([A-Za-z0-9_]{1,128})")
LIMIT = 16_384  # threads cached; then all are dropped, and found again
LONGEST_USER = 96  # characters; a longer user takes the general path, so that no exchange of the fast path is heavy
CONTEXTS = 32  # pairs of level and component that get templates; lines of any other take the general path


class Thread:
    """Values shared by the lines of the same level, thread and component."""

    __slots__ = ("component", "key", "process", "state", "templates")

    def __init__(self, match: re.Match[str], templates: Templates, log: LogState) -> None:
        _, pid, tid, self.component = match.groups()
        self.state = log.of(self.component)
        self.templates = templates
        self.process = process_json(pid, tid)
        self.key = f"{self.component}|{pid}|{tid}"


class Sender:
    """Values shared by the lines that one program of one host sends through syslog. They name no thread."""

    __slots__ = ("component", "process", "state")

    def __init__(self, component: str, pid: str | None, state: ComponentState) -> None:
        self.component = component
        self.state = state
        self.process = "" if pid is None else process_json(pid, None)


class Threads:
    """The threads of one file. `known` has them by the head of a line: its text between time stamp and message."""

    def __init__(
        self,
        scratch: Callable[[LogFile], Parser],
        file: LogFile,
        log: LogState,
        around: Callable[[str], str] = str,
        limit: int | None = None,
        contexts: int = CONTEXTS,
    ) -> None:
        """
        Args:
            scratch: makes a parser with a new state, for templates.
            file: the file that holds their lines.
            log: the state of its log.
            around: wraps a line as their lines are wrapped.
            limit: threads cached; None: `LIMIT`.
            contexts: pairs of level and component that get templates.
        """
        self.known: dict[str, Thread] = {}
        self.domain_user = user_pieces("name", "domain", None)
        self.scratch = scratch
        self._file = file
        self._log = log
        self._around = around
        self._limit = LIMIT if limit is None else limit
        self._contexts = contexts
        self._templates: dict[tuple[str, str], Templates] = {}
        self._mail_user = user_pieces("name", "domain", "email")
        self._bare_user = user_pieces("name", None, None)

    @property
    def users(self) -> tuple[Pieces, Pieces, Pieces]:
        """The pieces of the JSON of a bare user, of one with a domain, and of one with an e-mail address (see `user`)."""
        return self._bare_user, self.domain_user, self._mail_user

    def find(self, head: str) -> Thread | None:
        """The thread of a head that is not in `known`; None if the head is not plain."""
        match = _PLAIN.fullmatch(head)
        if match is None:
            return None
        if len(self.known) >= self._limit:
            self.known.clear()
        key = match[1], match[4]
        templates = self._templates.get(key)
        if templates is None:
            if len(self._templates) >= self._contexts:
                return None
            templates = self._templates[key] = Templates(self.scratch, self._file, *key, around=self._around)
        thread = self.known[head] = Thread(match, templates, self._log)
        return thread

    def user(self, text: str, process: str) -> tuple[UserFields | None, str]:
        """The user that a line names as `text`, and the JSON of user and `process` (empty: the user is not plain)."""
        domain: str | None
        domain, _, name = text.partition("\\")
        if domain and name:
            if "\\" in name:
                return None, ""
            u0, u1, u2, u3 = self.domain_user
            return (name, domain, None, text.casefold()), f"{u0}{name}{u1}{domain}{u2}{name}{u3}{process}"
        user = split_principal(text)
        if user is None:
            return None, process
        name, domain, email, _ = user
        if "\\" in name:
            return None, ""
        if email is not None:
            m0, m1, m2, m3, m4, m5 = self._mail_user
            return user, f"{m0}{name}{m1}{domain}{m2}{email}{m3}{name}{m4}{email}{m5}{process}"
        b0, b1, b2 = self._bare_user
        return user, f"{b0}{name}{b1}{name}{b2}{process}"
