"""The plain loop that speed is compared with: what one writes in an hour for such a log.

    python plain_loop.py LOG OUT [radius|results|syslog|nps]

One regular expression, one flat dict and one `json.dumps` a line, at the top level of the module as in
any such script. It ties no lines together, detects nothing, and writes a quarter of the bytes. Machines
differ and drift; a ratio to this loop, run in the same sitting, does so less.

The last argument says what the log holds: exchanges of `pfrad`, results of `pfsvc`, these with a head of
syslog, or events of the NPS extension in JSON.
"""

import json
import re
import sys

HEADER = r"^([^|]+)\|(\w+)\|(\d+)\|(\d+)\|(\w*)\|"
RESULT_MESSAGE = (
    r"(?P<request>[0-9a-f-]{36})\|"
    r"(?P<message>Pfauth (?P<verdict>\w+) for user '(?P<domain>[^\\]+)\\(?P<user>[^']+)'\. "
    r"Call status: (?P<constant>\w+) - \"(?P<reason>[^\"]*)\"\.)$"
)
RADIUS = re.compile(
    HEADER + r"(?:(?P<request>Calling pfAuthUser\(['\u2018](?P<domain>[^\\]+)\\(?P<user>[^'\u2019]+)['\u2019].*)"
    r"|(?P<result>authResult = (?P<verdict>\d+))"
    r"|(?P<status>rawCallStatus = (?P<code>-?\d+))"
    r"|(?P<another>.*))$"
)
RESULT = re.compile(HEADER + RESULT_MESSAGE)
SYSLOG = re.compile(r"^<(\d+)>1 (\S+) (\S+) (\S+) (\d+) \S+ (?:-|\[.*?\]) " + RESULT_MESSAGE)
NPS = re.compile(
    r"^NPS Extension for Azure MFA:\s+CID: (?P<request>[0-9a-f-]{36}) : "
    r"(?:Challenge requested in Authentication Ext for User (?P<asked>.+) with state (?P<state>\S+)"
    r"|Access (?P<verdict>\w+) for user (?P<user>.+) with Azure MFA response: (?P<result>\w+) and message: (?P<reason>.*))$"
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
content = sys.argv[3] if len(sys.argv) > 3 else "radius"

if content == "results":
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
elif content == "syslog":
    for line in log:
        match = SYSLOG.match(line)
        if match:
            priority, time, host, component, pid, request, message, verdict, domain, user, constant, reason = match.groups()
            event = {
                "@timestamp": time,
                "log.syslog.priority": int(priority),
                "host.name": host,
                "event.provider": component,
                "process.pid": int(pid),
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
elif content == "nps":
    for line in log:
        entry = json.loads(line)
        event = {
            "@timestamp": entry["TimeCreated"],
            "log.level": entry["LevelDisplayName"],
            "event.provider": entry["ProviderName"],
            "host.name": entry["MachineName"],
            "process.pid": entry["ProcessId"],
            "process.thread.id": entry["ThreadId"],
            "message": entry["Message"],
        }
        match = NPS.match(entry["Message"])
        if match:
            request, asked, state, verdict, user, result, reason = match.groups()
            event["mfa.request"] = request
            event["user.name"] = asked or user
            if asked:
                event["mfa.state"] = state
            else:
                event["mfa.auth_result"] = verdict
                event["mfa.status"] = result
                event["mfa.reason"] = reason
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
