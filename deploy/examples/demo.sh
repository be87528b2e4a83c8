#!/bin/sh
# What mfa-shipper makes of a log, in three commands.
set -e
log=deploy/examples/MultiFactorAuthRadiusSvc.log
say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }

say "head -3 $log    # one authentication, as MFA Server writes it"
head -3 $log

say "mfa-shipper parse $log --where event.code=21 --pretty | head -60    # the same, decoded"
mfa-shipper parse $log --where event.code=21 --pretty --quiet | head -60

say "mfa-shipper parse $log --only double_prompt    # who was asked twice"
mfa-shipper parse $log --only double_prompt --quiet |
    python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line)["message"])'

say "mfa-shipper parse $log > /dev/null    # the sums"
mfa-shipper parse $log > /dev/null
