#!/bin/sh
# Ten minutes on a machine with a GPU: which classes are exact there, how far honest answers of GPU and CPU lie apart,
# and what verification costs. Everything that it needs is here beforehand: the program built (npm run setup), the
# engine's GPU build (qvac doctor prints how to install it), and the model files.
#
#   bench/gpu/run.sh OUT MODEL.gguf [CHEAPER.gguf]
set -eu
out=$1 model=$2
cheap=${3:+--cheap $3}
cd "$(dirname "$0")/../.."
node=${NODE:-node_modules/.bin/node}
mkdir -p "$out"
qvac() { "$node" dist/main.js --home "$out/home" "$@"; }

qvac doctor --json >"$out/doctor.json" || true
timeout 150 "$node" bench/gpu/classes.ts "$model" >"$out/classes.jsonl" || echo "classes: stopped early" >&2
# Classes of the GPU (usual calls, calls of 512) and of two CPU builds, against each other: 160 honest answers.
# shellcheck disable=SC2086
timeout 400 "$node" dist/main.js --home "$out/home" bench audit "$model" $cheap \
  --classes native,native/512,haswell,skylakex --answers 160 --cheats 12 --minutes 5 --out "$out/audit" --json \
  >"$out/audit.json" || echo "audit: stopped early; run it again to go on" >&2
