#!/bin/sh
# Puts Dagster's settings where Dagster looks for them, then becomes the command. The folder is made
# here, since a volume that is mounted may be empty; a file that is mounted there is left alone.
set -eu
mkdir -p "$DAGSTER_HOME"
settings=$DAGSTER_HOME/dagster.yaml
if [ -L "$settings" ] || [ ! -e "$settings" ]; then
  if [ -n "${DAGSTER_POSTGRES_URL:-}" ]; then
    ln -sfn /app/deploy/dagster.yaml "$settings"
  else
    ln -sfn /app/dagster.yaml "$settings"
  fi
fi
# SQLAlchemy takes psycopg 3 where no driver is named, and Dagster's SQL is written for psycopg2.
case ${DAGSTER_POSTGRES_URL:-} in
  postgres://* | postgresql://*)
    export DAGSTER_POSTGRES_URL="postgresql+psycopg2://${DAGSTER_POSTGRES_URL#*://}" ;;
esac
exec "$@"
