#!/bin/sh
# Puts every file of api/ where its path says: api/_index_template/NAME.json becomes PUT URL/_index_template/NAME.
# Usage: install.sh URL [--without-policy] [curl options, such as -u NAME:PASSWORD]
set -eu
url=${1:?"usage: install.sh URL [--without-policy] [curl options]"}
shift
skip='^$'
if [ "${1:-}" = --without-policy ]; then skip='^_(ilm|plugins)/'; shift; fi
cd "$(dirname "$0")/api"
# Components before the templates that are composed of them: the order of the alphabet.
find . -name '*.json' | sed 's|^\./||' | LC_ALL=C sort | grep -Ev "$skip" | while read -r file; do
    printf 'PUT %s: ' "${file%.json}"
    curl --silent --show-error --fail-with-body "$@" -X PUT -H 'Content-Type: application/json' --data-binary "@$file" "${url%/}/${file%.json}"
    echo
done
