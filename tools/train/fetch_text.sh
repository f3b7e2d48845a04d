#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes the public-domain source texts into a directory: six Jane Austen novels (Debian package
# r-cran-janeaustenr) and the King James Bible (bible-kjv), one .txt each.
set -euo pipefail
out=${1:?usage: fetch_text.sh DIR}
need=()
for package in r-base-core r-cran-janeaustenr bible-kjv; do
  dpkg -s "$package" >/dev/null 2>&1 || need+=("$package")
done
if ((${#need[@]})); then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get install -y --no-install-recommends "${need[@]}"
fi
mkdir -p "$out"
Rscript -e 'args <- commandArgs(TRUE); books <- new.env()
  lazyLoad(file.path(system.file(package = "janeaustenr"), "data", "Rdata"), envir = books)
  for (name in ls(books)) writeLines(books[[name]], file.path(args[1], paste0(name, ".txt")))' "$out" >/dev/null
printf 'Gen1:1-Rev22:21\nq\n' | bible -f | grep -E '^[0-9A-Za-z]+[0-9]+:[0-9]+ ' >"$out/kjv.txt"
wc -c "$out"/*.txt
