#!/bin/sh
# What mfa-shipper makes of a log, in five commands; `make demo` runs them.
set -e
log=deploy/examples/MultiFactorAuthRadiusSvc.log
show() {
    printf '\n\033[1m# %s\n$ %s\033[0m\n' "$1" "$2"
    sh -c "$2"
}

show "One sign-in, as MFA Server writes it:" \
    "head -3 $log"
show "Its last line, decoded and tied to its user:" \
    "mfa-shipper parse $log --where log.offset=151 --pretty --quiet --deterministic"
show "Who was asked twice:" \
    "mfa-shipper parse $log --only double_prompt --pretty --quiet | grep -E '\"(@timestamp|message)\"'"
show "The sums of the log:" \
    "mfa-shipper parse $log > /dev/null"
mkdir -p demo
show "All of it as a page:" \
    "mfa-shipper report $log --output demo/report.html && echo \"demo/report.html is the page: open it in a browser\""
printf '\nThe command is .venv/bin/mfa-shipper; ". .venv/bin/activate" makes it plain mfa-shipper. README.md goes on from here.\n'
