#!/bin/sh
# Dump a database into a folder, and drop the dumps that are older than KEEP_DAYS.
# usage: backup.sh FOLDER DATABASE     (a name, or a URL such as postgresql://pathway@db.example.org/pathway)
# The job tables of the workers are left out: they hold nothing that is worth keeping.
set -eu
folder=${1:?folder of the dumps} database=${2:?database}
part=$folder/.pathway.part
umask 077
pg_dump --format=custom --exclude-schema=pathway_jobs --file="$part" "$database"
# A dump that cannot be listed is none: then this fails, and the old ones stay.
pg_restore --list "$part" >/dev/null
mv "$part" "$folder/pathway-$(date -u +%Y-%m-%dT%H%M%SZ).dump"
find "$folder" -name 'pathway-*.dump' -mtime +"${KEEP_DAYS:-14}" -delete
