#!/usr/bin/env bash
# Benches, and their figures into BENCHMARKS.md: `scripts/bench.sh [quick] [NAME…]`.
#
# Without names all of them: benches of audiox-benches (conceal, streams, …) and the programs and
# tests of other crates that print tables (fec-table, redundancy-table, drift-table, quality,
# opus-loss). With `quick` rough figures, into bench-quick.md in the target directory.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh bench

quick=()
if [ "${1:-}" = quick ]; then
    quick=(--quick)
    shift
fi

benches=$(sed -n '/^\[\[bench\]\]/{n;s/^name = "\(.*\)"/\1/p}' benches/Cargo.toml)
others="fec-table redundancy-table drift-table quality opus-loss"
some=("$@")
keep=(--keep)
if [ $# = 0 ]; then
    # shellcheck disable=SC2206 # names without spaces
    some=($benches $others)
    keep=()
fi

report() { cargo run --quiet --release --package audiox-benches --bin report -- "$@"; }
table_of() { # size in full, size when quick, example
    local size=$1
    [ ${#quick[@]} = 0 ] || size=$2
    report capture "${quick[@]}" cargo run --quiet --release --package audiox-core --features sim --example "$3" ${size:+"$size"}
}
printed_by() { # package, test binary, filter
    report capture "${quick[@]}" cargo nextest run --release --package "$1" --all-features --test "$2" --no-capture "${@:3}"
}
one() {
    case $1 in
    fec-table) table_of 1000000 50000 fec_table ;;
    redundancy-table) table_of 300 10 redundancy_table ;;
    drift-table) table_of "" "" drift_table ;;
    quality) printed_by audiox-io quality ;;
    opus-loss) printed_by audiox-opus loss in_band_error_correction ;;
    *)
        if ! grep -qx "$1" <<<"$benches"; then
            echo "there is no bench $1; there are: ${benches//$'\n'/ } $others" >&2
            exit 1
        fi
        cargo bench --quiet --package audiox-benches --bench "$1" -- "${quick[@]}"
        ;;
    esac
}

echo "building" >&2
cargo bench --quiet --no-run --package audiox-benches
began=$SECONDS
for n in "${!some[@]}"; do
    echo "[$((n + 1))/${#some[@]}] ${some[n]}, after $(((SECONDS - began) / 60)) min" >&2
    one "${some[n]}"
done
report "${quick[@]}" "${keep[@]}"
echo "all of it took $(((SECONDS - began) / 60)) min" >&2
