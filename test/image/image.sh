#!/usr/bin/env bash
# image.sh TAG: runs the image localhost/TAG, which buildah has built, and checks what a user of it relies on. Needs root,
# for buildah runs without a Docker engine here: in the host's network and process table, so ports and signals are real.
set -euo pipefail
tag=${1:?the tag of the image}
here=$(dirname "$(readlink -f "$0")")
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
work=$(mktemp -d)
container=$(buildah from --pull-never "localhost/$tag")
running=
finish() {
  if [ -n "$running" ]; then kill "$running" 2>/dev/null || true; fi
  buildah rm "$container" >/dev/null
  rm -rf "$work"
}
trap finish EXIT

fail() { echo "$*" >&2; exit 1; }

# config EXPRESSION: what the image's configuration says, one value a line.
config() { buildah inspect --type container "$container" | node -e "
  const { config } = JSON.parse(require('node:fs').readFileSync(0)).Docker;
  console.log([$1].flat().join('\n'))"; }

# in_image COMMAND…: as the user the image names, on port $port and with $work/data as its volume.
in_image() { buildah run --network=host --volume "$work/data:/data" --env "INTERCHAT_PORT=$port" "$container" -- "$@"; }

# descendant PID: the last of its children's children: the server below what buildah puts around it.
descendant() { local child; child=$(pgrep -P "$1" | head -n 1) && descendant "$child" || echo "$1"; }

# as_process_1 COMMAND…: like in_image, but in a process table of its own, as a container engine does it. The kernel keeps
# signals without a handler away from process 1, and a shell around the server would not pass them on.
as_process_1() {
  local root
  root=$(buildah mount "$container")
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child bash -c 'mount --bind "$1" "$2/data" && exec chroot --userspec=node "$2" "${@:3}"' \
    bash "$work/data" "$root" env "${environment[@]}" "INTERCHAT_PORT=$port" "$@"
}

# start in_image|as_process_1: runs the server that way, until it is ready.
start() {
  "$1" "${command[@]}" >>"$work/log" 2>&1 &
  running=$!
  for _ in {1..300}; do
    kill -0 "$running" 2>/dev/null || fail "The server ended at once: $(cat "$work/log")"
    curl -sf -o /dev/null "$url/readyz" && break
    sleep 0.1
  done
  curl -sSf -o /dev/null "$url/readyz" || fail "The server is not ready after 30 s: $(cat "$work/log")"
  server=$(descendant "$running")
}

# stop: SIGTERM has to end the server with exit code 0 within 10 seconds.
stop() {
  local begin=$SECONDS code=0
  kill -TERM "$server"
  wait "$running" || code=$?
  running=
  [ "$code" = 0 ] || fail "SIGTERM ended the server with exit code $code: $(cat "$work/log")"
  [ $((SECONDS - begin)) -le 10 ] || fail "SIGTERM took $((SECONDS - begin)) s."
}

port=$(node -e "const s = require('node:net').createServer().listen(0, () => { console.log(s.address().port); s.close(); })")
url=http://127.0.0.1:$port
mapfile -t command < <(config 'config.Entrypoint, config.Cmd')
mapfile -t environment < <(config config.Env)
mapfile -t health < <(config 'config.Healthcheck.Test.slice(1)')
# A named volume starts with the owner that the folder has in the image.
mkdir "$work/data"
chown "$(stat -c %u:%g "$(buildah mount "$container")/data")" "$work/data"

[ "$(config config.User)" = node ] || fail "The image's user is $(config config.User), not node."
[ "$(config 'Object.keys(config.ExposedPorts), Object.keys(config.Volumes)' | paste -sd ' ')" = '8080/tcp /data' ] ||
  fail 'The image names other ports or volumes.'
# What the image declares would be put over the folder that stands in for a named volume.
buildah config --volume /data- "$container"

[ "$(in_image id -u)" != 0 ] || fail 'The image runs as root.'
! in_image "${health[@]}" 2>/dev/null || fail 'The health check finds a server where none is.'

start in_image
[ "$(basename "$(readlink "/proc/$server/exe")")" = node ] || fail "Process $server is not Node."
[ "$(ps -o uid= -p "$server" | tr -d ' ')" = "$(stat -c %u "$work/data")" ] || fail 'The server runs as another user.'
in_image "${health[@]}" || fail 'The health check does not find the server.'
"$here/probe.sh" "$url"
[ -n "$(ls "$work/data")" ] || fail 'Nothing is written to /data.'
printf 'correct horse battery staple\n' | in_image interchat account add alice || fail 'The operator cannot make an account.'
in_image interchat account list | grep -q alice || fail 'The account that was made is not listed.'
held=$(curl -sS -X POST "$url/clients" -H 'Content-Type: application/json' -d '{"name":"kept"}')
stop

start as_process_1
curl -sSN "$url/events" >"$work/stream" &
stream=$!
timeout 10 bash -c "until grep -q welcome '$work/stream'; do sleep 0.1; done" || fail 'The stream does not open.'
[ "$(awk '/^NSpid:/ { print $NF }' "/proc/$server/status")" = 1 ] || fail 'The server is not process 1.'
curl -sS "$url/clients" | grep -q '"name":"kept"' || fail "After a restart on the same volume, $held is forgotten."
stop
wait "$stream" || fail "The stream broke off: $(cat "$work/stream")"
grep -qE '^event: ?bye' "$work/stream" || fail "The stream ended without bye: $(cat "$work/stream")"
echo "The image $tag is in order."
