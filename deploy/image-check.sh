#!/usr/bin/env bash
# Builds the Dockerfile without a container engine, and proves what the images promise.
#
#   sudo deploy/image-check.sh [orchestrator] [serving] [trainer]     all of them where none is named
#
# Needs root, 25 GB of disk, and the Debian packages buildah, debootstrap and iproute2.
#
#   BASE_IMAGE    start from this image; unset: Debian bookworm with its Python 3.11, made here
#   BUILDAH_ARGS  more arguments for `buildah build`, such as mounts of this machine's pip settings
#                 and certificates: "--volume /etc/pip.conf:/etc/pip.conf:ro"
#   BUNDLE        the bundle that is served; unset: the one that `plumbline demo fraud` releases in
#                 the orchestrator's image
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

NAME=localhost/plumbline
DEBIAN=localhost/plumbline-debian:bookworm
ROLES=("$@")
[ $# -gt 0 ] || ROLES=(orchestrator serving trainer)
export BUILDAH_ISOLATION=chroot

work=$(mktemp -d)
volume=$work/volume hosts=$work/hosts
mkdir "$volume"
chmod 755 "$work"
printf '127.0.0.1 localhost code\n' >"$hosts"
containers=()
clean_up() {
  for container in "${containers[@]}"; do buildah rm "$container" >/dev/null || true; done
  rm -rf "$work"
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

# The root file system of a new container of image $1, in $root.
root_of() {
  container=$(buildah from --pull-never "$1")
  containers+=("$container")
  root=$(buildah mount "$container")
}

make_debian() {
  say "base image $DEBIAN"
  root_of scratch
  expect "debootstrap" debootstrap --variant=minbase --include=python3,python3-venv bookworm "$root"
  chroot "$root" apt-get clean
  buildah umount "$container" >/dev/null
  buildah commit --quiet "$container" "$DEBIAN" >/dev/null
}

# What the image's configuration says under the Go template $1, one item a line.
configured() { buildah inspect --type image --format "$1" "$image"; }

# The command $@ as `docker run --read-only --tmpfs /tmp --cap-drop ALL --network none` runs it: as the
# image's user, in its own environment, on $volume and the bundle.
inside() {
  unshare --mount --net --pid --fork --kill-child -- bash -euc "$CONTAINED" - \
    "$root" "$user" "$volume" "${bundle:-}" "$hosts" env --default-signal=INT -i "${environment[@]}" "$@"
}

# shellcheck disable=SC2016  # expanded where it runs
CONTAINED='
root=$1 user=$2 volume=$3 bundle=$4 hosts=$5
shift 5
ip link set lo up
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$hosts" "$root/etc/hosts"
mount --bind "$volume" "$root/var/lib/plumbline"
[ -z "$bundle" ] || mount --bind "$bundle" "$root/bundle"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
  --bounding-set=-all sh -c "cd /app && exec \"\$@\"" - "$@"
'

# The same through the image's entrypoint.
entered() { inside "${entrypoint[@]}" "$@"; }

# The image's own command until its own health check passes; then the Python program $1. A shell
# starts what runs behind it deaf to interrupts, and Dagster treats a request to stop as one.
# shellcheck disable=SC2016  # expanded in the container
served() {
  inside sh -euc '
    health=$1; question=$2; shift 2
    env --default-signal=INT "$@" & server=$!
    trap "kill $server; wait" EXIT
    for _ in $(seq 120); do
      sh -c "$health" 2>/dev/null && break
      kill -0 $server
      sleep 1
    done
    sh -c "$health"
    python -c "$question"
  ' - "$health" "$1" "${entrypoint[@]}" "${command[@]}"
}

LOADED='
import json, urllib.parse, urllib.request
query = "{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {__typename}}}}}"
url = "http://127.0.0.1:3000/graphql?query=" + urllib.parse.quote(query)
answer = json.load(urllib.request.urlopen(url))
(location,) = answer["data"]["workspaceOrError"]["locationEntries"]
assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", answer
'

# Where CUDA is not driven by anything, its libraries can be opened all the same.
CUDA='
import ctypes, glob, tensorflow
assert tensorflow.test.is_built_with_cuda()
folder = tensorflow.sysconfig.get_lib()[: -len("tensorflow")] + "nvidia"
for name in ("cublas", "cudnn", "cufft", "cusolver", "cusparse", "nccl"):
    (library,) = glob.glob(f"{folder}/{name}/lib/lib{name}.so.*")
    ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
'

build() {
  local started=$SECONDS
  say "build $NAME:$role from $BASE_IMAGE"
  # shellcheck disable=SC2086  # several arguments in one variable
  buildah build --layers --format docker --build-arg "BASE_IMAGE=$BASE_IMAGE" \
    ${BUILDAH_ARGS:-} --target "$role" --tag "$image" .
  printf 'built in %d s\n' $((SECONDS - started))
}

# Everything that `inside` and `served` need of the image.
open_image() {
  root_of "$image"
  mkdir -p "$root/bundle"
  touch "$root/etc/hosts"
  mapfile -t environment < <(configured '{{range .OCIv1.Config.Env}}{{println .}}{{end}}')
  environment+=(HOME=/var/lib/plumbline "$@")
  mapfile -t entrypoint < <(configured '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}')
  mapfile -t command < <(configured '{{range .OCIv1.Config.Cmd}}{{println .}}{{end}}')
  health=$(configured '{{index .Docker.Config.Healthcheck.Test 1}}')
  user=$(configured '{{.OCIv1.Config.User}}')
  user=${user%%:*}
}

check_every_role() {
  expect "the process is a number that is not root: $user" test "$user" -gt 0
  expect "it runs on a read-only root file system" inside sh -c '! touch /app/x && touch /tmp/x'
  expect "it can change neither the code nor the dependencies" \
    inside sh -c '! test -w /app && ! test -w /opt/venv'
  expect "no compiler, no make, no pip, no headers of TensorFlow" inside sh -c \
    '! command -v cc && ! command -v make && ! python -c "import pip" && ! ls /opt/venv/lib/*/site-packages/tensorflow/include'
  expect "no secret is set" sh -c '! printf "%s\n" "$@" | grep -iE "PASSWORD|SECRET|TOKEN|API_KEY|_URL"' \
    - "$(configured '{{range .OCIv1.Config.Env}}{{println .}}{{end}}')"
  expect "the console script starts" inside plumbline --help
}

check_orchestrator() {
  expect "PostgreSQL starts inside where DATABASE_URL is unset" \
    inside python -c 'from plumbline.postgres import postgres; postgres().connect().close()'
  expect "the definitions validate" entered dagster definitions validate -w workspace.yaml
  expect "dg lists the definitions" entered dg list defs
  expect "the command serves the code location and is healthy: ${command[*]}" served "$LOADED"
  expect "compose.yaml's webserver, daemon and code location are healthy on PostgreSQL" \
    inside python -c "$(cat deploy/checks/compose_services.py)" <compose.yaml
  expect "Dagster's chart can start runs: dagster-k8s is there" inside python -c 'import dagster_k8s'
}

release_bundle() {
  local digest
  digest=$(buildah inspect --type image --format '{{.FromImageDigest}}' "$image")
  environment+=("PLUMBLINE_IMAGE=$NAME@$digest")
  expect "plumbline demo fraud releases a bundle" entered plumbline demo fraud
  BUNDLE=$(echo "$volume"/store/fraud/release/*/bundle)
  expect "the bundle records the image, $NAME@$digest" grep -q "\"image\": \"$NAME@$digest\"" "$BUNDLE/manifest.json"
}

check_serving() {
  [ -d "${BUNDLE:-}" ] || fail "no bundle to serve; to fix: BUNDLE=... or check orchestrator, too"
  bundle=$work/bundle
  cp -rL "$BUNDLE" "$bundle"
  chmod -R a+rX "$bundle"
  expect "neither Dagster nor what trains is there" inside sh -c \
    'for name in dagster pandas matplotlib optuna duckdb; do ! python -c "import $name" || exit 1; done'
  expect "/readyz answers, and golden rows over HTTP have their scores: ${command[*]}" \
    served "$(cat deploy/checks/golden_request.py)"
  expect "plumbline bundle verify" inside plumbline bundle verify /bundle
  expect "plumbline predict" inside plumbline predict /bundle /bundle/golden.parquet /tmp/scored.parquet
  bundle=
}

check_trainer() {
  expect "TensorFlow has CUDA, and its libraries can be opened" inside python -c "$CUDA"
  expect "the definitions validate" entered dagster definitions validate -w workspace.yaml
  expect "the command is healthy: ${command[*]}" served ''
}

[ "$(id -u)" = 0 ] || fail "found user $(id -un); expected root; to fix: sudo $0"
for program in buildah debootstrap ip; do
  command -v "$program" >/dev/null ||
    fail "$program is missing; to fix: apt-get install buildah debootstrap iproute2"
done

if [ -z "${BASE_IMAGE:-}" ]; then
  BASE_IMAGE=$DEBIAN
  buildah inspect --type image "$DEBIAN" >/dev/null 2>&1 || make_debian
fi

for role in "${ROLES[@]}"; do
  image=$NAME:$role
  build
  say "check $role"
  open_image PLUMBLINE_API_KEY=of-this-check
  chown "$user" "$volume"
  check_every_role
  "check_$role"
  [ "$role" != orchestrator ] || [ -n "${BUNDLE:-}" ] || release_bundle
done

say "sizes"
for built in "$BASE_IMAGE" "${ROLES[@]/#/$NAME:}"; do
  buildah images --format '{{.Size}}  {{.Name}}:{{.Tag}}' "$built"
done
