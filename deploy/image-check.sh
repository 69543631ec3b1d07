#!/usr/bin/env bash
# Builds the Dockerfile without a container engine, and proves what the image promises.
#
#   sudo deploy/image-check.sh
#
# Needs root, and the Debian packages buildah, debootstrap and iproute2.
#
#   BASE_IMAGE    start from this image; unset: Debian bookworm with its Python 3.11, made here
#   BUILDAH_ARGS  more arguments for `buildah build`, such as mounts of this machine's pip settings
#                 and certificates: "--volume /etc/pip.conf:/etc/pip.conf:ro"
#   IMAGE         name of what is built; unset: localhost/plumbline:check
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

IMAGE=${IMAGE:-localhost/plumbline:check}
DEBIAN=localhost/plumbline-debian:bookworm
export BUILDAH_ISOLATION=chroot

volume=$(mktemp -d)
containers=()
clean_up() {
  for container in "${containers[@]}"; do buildah rm "$container" >/dev/null || true; done
  rm -rf "$volume"
}
trap clean_up EXIT

say() { printf '\n== %s\n' "$*"; }

fail() {
  printf 'image-check: %s\n' "$*" >&2
  exit 1
}

# Run the command $2...; its output is shown only if it fails.
expect() {
  local promise=$1 output
  shift
  output=$("$@" 2>&1) || {
    printf '%s\n' "$output" >&2
    fail "does not hold: $promise"
  }
  printf 'ok  %s\n' "$promise"
}

container_from() {
  container=$(buildah from --pull-never "$1")
  containers+=("$container")
}

make_debian() {
  local root
  say "base image $DEBIAN"
  container_from scratch
  root=$(buildah mount "$container")
  expect "debootstrap" debootstrap --variant=minbase --include=python3,python3-venv bookworm "$root"
  chroot "$root" apt-get clean
  buildah umount "$container" >/dev/null
  buildah commit --quiet "$container" "$DEBIAN" >/dev/null
}

# What the image's configuration says under the Go template $1, one item a line.
configured() { buildah inspect --type image --format "$1" "$IMAGE"; }

# The command $@ as the image's user, on a volume that was empty.
inside() { buildah run --volume "$volume:/var/lib/plumbline" "$container" -- "$@"; }

# The same through the image's entrypoint, which `buildah run` leaves out.
entered() { inside "${entrypoint[@]}" "$@"; }

# The image's own command, in a network of its own so that the port is free, until the image's own
# health check passes; then whether the code location has loaded is asked of the webserver.
# shellcheck disable=SC2016  # expanded in the container
served() {
  unshare --net -- sh -euc 'ip link set lo up; exec "$@"' - \
    buildah run --volume "$volume:/var/lib/plumbline" "$container" -- \
    sh -euc '
      health=$1; question=$2; heeding=$3; shift 3
      python -c "$heeding" "$@" & server=$!
      trap "kill $server; wait" EXIT
      for _ in $(seq 90); do
        sh -c "$health" 2>/dev/null && break
        kill -0 $server
        sleep 1
      done
      python -c "$question"
    ' - "$health" "$LOADED" "$HEEDING" "${entrypoint[@]}" "${command[@]}"
}

# A shell without job control starts what runs behind it deaf to interrupts, and Dagster treats a
# request to stop as one.
HEEDING='
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
'

LOADED='
import json, urllib.parse, urllib.request
query = "{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {__typename}}}}}"
url = "http://127.0.0.1:3000/graphql?query=" + urllib.parse.quote(query)
answer = json.load(urllib.request.urlopen(url))
(location,) = answer["data"]["workspaceOrError"]["locationEntries"]
assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", answer
'

[ "$(id -u)" = 0 ] || fail "found user $(id -un); expected root; to fix: sudo $0"
for program in buildah debootstrap ip; do
  command -v "$program" >/dev/null ||
    fail "$program is missing; to fix: apt-get install buildah debootstrap iproute2"
done

if [ -z "${BASE_IMAGE:-}" ]; then
  BASE_IMAGE=$DEBIAN
  buildah inspect --type image "$DEBIAN" >/dev/null 2>&1 || make_debian
fi

say "build $IMAGE from $BASE_IMAGE"
started=$SECONDS
# shellcheck disable=SC2086  # several arguments in one variable
buildah build --layers --format docker --build-arg "BASE_IMAGE=$BASE_IMAGE" \
  ${BUILDAH_ARGS:-} --tag "$IMAGE" .
printf 'built in %d s\n' $((SECONDS - started))

say "check"
container_from "$IMAGE"
mapfile -t entrypoint < <(configured '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}')
mapfile -t command < <(configured '{{range .OCIv1.Config.Cmd}}{{println .}}{{end}}')
health=$(configured '{{index .Docker.Config.Healthcheck.Test 1}}')
user=$(buildah run "$container" -- id -u)
chown "$user" "$volume"

expect "the process is not root: uid $user" test "$user" != 0
expect "it can change neither the code nor the dependencies" \
  inside sh -c '! test -w /app && ! test -w /opt/venv'
expect "no compiler, no make, no pip" \
  inside sh -c '! command -v cc && ! command -v make && ! python -c "import pip"'
expect "the console script starts" inside plumbline --help
expect "PostgreSQL starts inside where DATABASE_URL is unset" \
  inside python -c 'from plumbline.postgres import postgres; postgres().connect().close()'
expect "the code location loads" entered dagster definitions validate -w workspace.yaml
expect "dg lists the definitions" entered dg list defs
expect "the command serves the code location and is healthy: ${command[*]}" served

say "size"
buildah images --format '{{.Size}}  {{.Name}}:{{.Tag}}' "$BASE_IMAGE"
buildah images --format '{{.Size}}  {{.Name}}:{{.Tag}}' "$IMAGE"
