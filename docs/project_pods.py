"""Projects how well a meta-step spreads over many chips: python docs/project_pods.py MEASURED.json [OPTIONS]

efficiency = computing / (computing + sums)
computing  = tasks per chip x operations per task / (peak x utilisation)
sums       = 2 (chips - 1) / chips x bytes / bandwidth + number of sums x 2 log2(chips) x latency
"""

import argparse
import json
import math


# Published figures: peak operations a second in the precision that is used (32 bits, or bfloat16 passes on TPU), and
# bytes a second that a chip can send. TPU: cloud.google.com/tpu/docs/v4, /v5e, /v5p; GPU: NVIDIA's data sheets, with
# one 200 or 400 Gb/s network port a GPU between hosts.
CHIPS = {
    "tpu-v4": (275e12, 300e9),
    "tpu-v5e": (197e12, 200e9),
    "tpu-v5p": (459e12, 600e9),
    "a100-hdr": (19.5e12, 25e9),
    "h100-ndr": (67e12, 50e9),
}


def efficiency(row, chips, options):
    """The share of a meta-step in which a chip computes."""
    peak, bandwidth = CHIPS[options.chip]
    peak, bandwidth = options.peak or peak, options.bandwidth or bandwidth
    computing = options.tasks * row["flops_per_task"] / (peak * options.utilisation)
    sums = 2 * (chips - 1) / chips * row["bytes"] / bandwidth + row["sums"] * 2 * math.log2(chips) * options.latency
    return computing / (computing + sums)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", help="what docs/measure_pods.py printed")
    parser.add_argument("--chip", choices=CHIPS, default="tpu-v4")
    parser.add_argument("--peak", type=float, help="operations a second, instead of the published figure")
    parser.add_argument("--bandwidth", type=float, help="bytes a second out of a chip, instead of the published figure")
    parser.add_argument("--utilisation", type=float, default=0.05, help="share of the peak that is reached")
    parser.add_argument("--latency", type=float, default=5e-6, help="seconds of one message, whatever its size")
    parser.add_argument("--tasks", type=int, default=8, help="tasks on each chip")
    parser.add_argument("--chips", type=int, nargs="+", default=[8, 64, 512, 4096])
    options = parser.parse_args(arguments)
    with open(options.measured) as file:
        measured = json.load(file)
    print(f"| estimator | {' | '.join(f'{chips:,} chips' for chips in options.chips)} |")
    print(f"|---|{'---|' * len(options.chips)}")
    for name, row in measured["estimators"].items():
        shares = [f"{100 * efficiency(row, chips, options):.1f}%" for chips in options.chips]
        print(f"| {name} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main()
