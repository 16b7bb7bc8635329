#!/usr/bin/env bash
# probe.sh URL: LIST, SEND and receive with nothing but curl, as the README promises. Says what is wrong and exits 1.
set -euo pipefail
url=${1:?the address of a server, such as http://127.0.0.1:8080}
received=$(mktemp)
trap 'kill $stream 2>/dev/null || true; rm -f "$received"' EXIT

# wait_for PATTERN: until the stream has brought it, 10 seconds at most.
wait_for() {
  for _ in {1..100}; do
    grep -qE "$1" "$received" && return
    sleep 0.1
  done
  echo "The stream did not bring $1 but: $(head -c 2000 "$received")" >&2
  return 1
}

# expect PATTERN TEXT
expect() { grep -qE "$1" <<<"$2" || { echo "Expected $1 but got: ${2:0:2000}" >&2; return 1; }; }

curl -sSN "$url/events?name=probe" >"$received" &
stream=$!
wait_for '^event: ?welcome'
wait_for '"index":[0-9]+'
index=$(grep -oE '"index":[0-9]+' "$received" | head -n 1 | cut -d : -f 2)

expect "^Client $index is at socket [0-9]+\.$" "$(curl -sS -H 'Accept: text/plain' "$url/clients")"
expect '"name":"probe"' "$(curl -sS "$url/clients/$index")"
expect '^201$' "$(curl -sS -o /dev/null -w '%{http_code}' "$url/clients/$index/messages" -d 'Hello, probe!')"
wait_for '^data:.*"text":"Hello, probe!"'
expect '^404$' "$(curl -sS -o /dev/null -w '%{http_code}' "$url/clients/999999999/messages" -d 'Hello, nobody!')"
script=$(curl -sS "$url/" | grep -oE 'assets/page-[A-Z0-9]+\.js')
expect '^200 [0-9]{5,} application/javascript' "$(curl -sS -o /dev/null -w '%{http_code} %{size_download} %{content_type}' "$url/$script")"
echo "The page, LIST, SEND and receive work as client $index."
