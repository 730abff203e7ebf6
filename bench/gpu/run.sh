#!/bin/sh
# Ten minutes on a machine with a GPU: which classes are exact there, how far honest answers of GPU and CPU lie apart,
# what verification costs, and whether a client without the GPU verifies what a provider with it answers. Everything that
# it needs is here beforehand: the program built (npm run setup), the engine's GPU build (qvac doctor prints how to
# install it), and the model files. To measure Vulkan on a machine with CUDA, run it with the CUDA build not installed.
#
#   bench/gpu/run.sh OUT MODEL.gguf [CHEAPER.gguf]
set -eu
out=$1 model=$2 cheaper=${3:-}
cd "$(dirname "$0")/../.."
node=${NODE:-node_modules/.bin/node}
port=${PORT:-4901}
# The engine's CUDA build leaves some GPUs to the driver's compiler, whose usual cache is too small for it.
export CUDA_CACHE_MAXSIZE=4294967296
mkdir -p "$out"

qvac() { "$node" dist/main.js --home "$@"; }

audit() {
  name=$1
  shift
  timeout 400 "$node" dist/main.js --home "$out/$name/home" bench audit "$@" --minutes 5 --out "$out/$name" --json \
    >"$out/$name.json" 2>"$out/$name.err" || echo "$name: stopped early; run it again to go on" >&2
}

# A provider on the GPU, and clients on the CPU and on the GPU that recompute its answers.
live() {
  qvac "$out/provider" serve --model "$model" --free --listen "/ip4/127.0.0.1/tcp/$port" --no-mdns --json \
    >"$out/serve.jsonl" 2>"$out/serve.err" &
  provider=$!
  for _ in $(seq 60); do
    if grep -q '"ready"' "$out/serve.jsonl"; then break; fi
    sleep 1
  done
  address=$(grep -o "/ip4/127.0.0.1/tcp/$port/p2p/[A-Za-z0-9]*" "$out/serve.jsonl" | head -n 1)
  for seed in 1 2 3 4; do
    for gpu in off auto; do
      qvac "$out/client" ask --gpu "$gpu" --provider "$address" --no-mdns --model "$model" --verify full \
        --max-tokens 96 --seed "$seed" --no-stdin "Tell me about the number $seed and the sea." \
        >>"$out/ask-$gpu.txt" 2>&1 || echo "exit code $?" >>"$out/ask-$gpu.txt"
    done
  done
  kill -INT "$provider"
  wait "$provider" || true
}

qvac "$out/doctor" doctor --json >"$out/doctor.json" || true
# One process fills the compiler's cache for those that follow.
timeout 120 "$node" bench/gpu/classes.ts "$model" >"$out/classes.jsonl" 2>"$out/classes.err" ||
  echo "classes: stopped early" >&2
# Classes of the GPU (usual calls, calls of 512) and of two CPU builds, against each other.
audit honest "$model" --classes native,native/512,haswell,skylakex --only honest --answers 400 &
audit cheats "$model" ${cheaper:+--cheap "$cheaper"} --classes native,haswell --answers 60 --cheats 12 &
if [ -n "$cheaper" ]; then
  audit cheaper "$cheaper" --classes native,native/512,haswell --only honest --answers 200 &
fi
live &
wait
