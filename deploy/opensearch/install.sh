#!/bin/sh
# Puts every file of api/ where its path says: api/_index_template/NAME.json becomes PUT URL/_index_template/NAME. Again for an upgrade.
# Usage: install.sh URL [--without-policy] [curl options, such as -u NAME:PASSWORD]
set -eu
url=${1:?"usage: install.sh URL [--without-policy] [curl options]"}
shift
policies=yes
if [ "${1:-}" = --without-policy ]; then policies=no; shift; fi
cd "$(dirname "$0")/api"
# What others are composed of, or name, before these. By the shell's own means, because OpenSearch's image has no find.
for file in _component_template/*.json _ilm/policy/*.json _ingest/pipeline/*.json _index_template/*.json _plugins/_ism/policies/*.json; do
    [ -e "$file" ] || continue # Elasticsearch and OpenSearch have one kind of policy each
    name=${file%.json}
    target=${url%/}/$name
    case $file in _ilm/* | _plugins/*)
        [ $policies = yes ] || continue
    esac
    case $file in _plugins/*) # a policy that is there is replaced only by who names the version that it replaces
        target=$target$(curl --silent --show-error "$@" "$target" |
            sed -n 's/.*"_seq_no" *: *\([0-9]*\).*"_primary_term" *: *\([0-9]*\).*/?if_seq_no=\1\&if_primary_term=\2/p')
    esac
    printf 'PUT %s: ' "$name"
    curl --silent --show-error --fail-with-body "$@" -X PUT -H 'Content-Type: application/json' --data-binary "@$file" "$target" || {
        status=$?
        echo
        case $file in _ilm/* | _plugins/*) echo "Where policies cannot be had: $0 URL --without-policy" >&2; esac
        exit $status
    }
    echo
done
