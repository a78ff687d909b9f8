#!/bin/sh
# Hand a campaign in over HTTP with curl, follow it and count its results with psql.
#
#     sh curl_psql.sh [IDEMPOTENCY_KEY]
#
# DISPATCHER_API_URL, DISPATCHER_SERVICE_KEY and DISPATCHER_DATABASE_URL say where. Run it twice: the same key and
# payload are one campaign.
set -eu

key=${1:-example-curl}
api=${DISPATCHER_API_URL:-http://127.0.0.1:8080}
tries=300 # seconds
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

sql() { # the key and the campaign's number are psql's to quote
    psql "$DISPATCHER_DATABASE_URL" --no-psqlrc --quiet --tuples-only --no-align \
        -v ON_ERROR_STOP=1 -v key="$key" -v campaign="${campaign:-0}"
}

stop() {
    echo "$1" >&2
    exit 1
}

# Until there is an answer that stands; handing it in again is safe, since one key is one campaign.
while :; do
    # The token goes by a file descriptor: an argument would show in the list of processes.
    status=$(curl --silent --show-error --max-time 60 --output "$answer" --write-out '%{http_code}' \
        --header "Idempotency-Key: $key" --header 'Content-Type: application/json' --header @- \
        --data-binary @/dev/fd/3 "$api/api/v1/campaigns" 3<<'JSON' <<TOKEN
{
  "name": "Example: curl and psql",
  "template": "Hola {nombre}, su cuota vence el {dia}. Empresa SA",
  "recipients": [
    {"telefono": "1144445555", "nombre": "Ana", "dia": "10/12"},
    {"telefono": "011 15 4444-6666", "nombre": "José", "dia": "11/12"},
    {"telefono": "12", "nombre": "Nadie", "dia": "12/12"}
  ],
  "test": true
}
JSON
Authorization: Bearer $DISPATCHER_SERVICE_KEY
TOKEN
    ) || status=000
    case $status in
    201) break ;;
    000 | 202 | 429 | 502 | 503 | 504) ;;
    *) stop "$status: $(cat "$answer")" ;;
    esac
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || stop "gave up: the API answers $status"
    sleep 1
done

campaign=$(echo "SELECT campaign_id FROM campaign_request WHERE idempotency_key = :'key'" | sql)
open="SELECT count(*) FROM message_status
      WHERE campaign_id = :campaign AND status IN ('pending', 'submitted', 'in_doubt', 'held')"
while [ "$(echo "$open" | sql)" != 0 ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || stop "campaign $campaign is not over yet; ask again with the same key"
    sleep 1
done

echo "campaign $campaign"
sql <<'SQL'
SELECT format('  %s: %s', status, count(*)) FROM message_status WHERE campaign_id = :campaign GROUP BY status ORDER BY 1;
SQL
