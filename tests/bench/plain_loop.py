"""The plain loop that speed is told against: what a script of an hour would do with such a log.

    python plain_loop.py LOG OUT [results]

One regular expression, one flat dict and one `json.dumps` a line, at the top level of the module as
in any such script; no correlation, no detection, a fourth of the bytes. Machines differ and drift; a
ratio to this loop, run in the same sitting, does so less. `results` is for logs of `pfsvc`.
"""

import json
import re
import sys

HEADER = r"^([^|]+)\|(\w+)\|(\d+)\|(\d+)\|(\w*)\|"
RADIUS = re.compile(
    HEADER + r"(?:(?P<request>Calling pfAuthUser\(['\u2018](?P<domain>[^\\]+)\\(?P<user>[^'\u2019]+)['\u2019].*)"
    r"|(?P<result>authResult = (?P<verdict>\d+))"
    r"|(?P<status>rawCallStatus = (?P<code>-?\d+))"
    r"|(?P<another>.*))$"
)
RESULT = re.compile(
    HEADER + r"(?P<request>[0-9a-f-]{36})\|"
    r"(?P<message>Pfauth (?P<verdict>\w+) for user '(?P<domain>[^\\]+)\\(?P<user>[^']+)'\. "
    r"Call status: (?P<constant>\w+) - \"(?P<reason>[^\"]*)\"\.)$"
)
REASONS = {
    "1": "PIN Entered",
    "2": "No PIN Entered",
    "6": "Used Cache",
    "19": "Text Message Authenticated",
    "21": "Mobile App Authenticated",
    "23": "OATH Code Verified",
    "129": "Mobile App Denied",
    "133": "Mobile App No Response",
}

log = open(sys.argv[1], encoding="utf-8")  # noqa: SIM115  open until the process ends
out = open(sys.argv[2], "w", encoding="utf-8", buffering=1 << 20)  # noqa: SIM115

if "results" in sys.argv[3:]:
    for line in log:
        match = RESULT.match(line)
        if match:
            time, level, pid, thread, component, request, message, verdict, domain, user, constant, reason = match.groups()
            event = {
                "@timestamp": time,
                "log.level": level,
                "event.provider": component,
                "process.pid": int(pid),
                "process.thread.id": int(thread),
                "message": message,
                "mfa.request": request,
                "user.domain": domain,
                "user.name": user,
                "mfa.auth_result": verdict,
                "mfa.status": constant,
                "mfa.reason": reason,
            }
        else:
            event = {"message": line.rstrip("\n")}
        out.write(json.dumps(event, ensure_ascii=False))
        out.write("\n")
else:
    for line in log:
        match = RADIUS.match(line)
        if match:
            time, level, pid, thread, component, request, domain, user, result, verdict, status, code, another = match.groups()
            event = {
                "@timestamp": time,
                "log.level": level,
                "event.provider": component,
                "process.pid": int(pid),
                "process.thread.id": int(thread),
                "message": request or result or status or another,
            }
            if request:
                event["user.domain"] = domain
                event["user.name"] = user
            elif result:
                event["mfa.auth_result"] = int(verdict)
            elif status:
                event["mfa.status"] = int(code)
                event["mfa.reason"] = REASONS.get(code, "something else")
        else:
            event = {"message": line.rstrip("\n")}
        out.write(json.dumps(event, ensure_ascii=False))
        out.write("\n")
out.close()
