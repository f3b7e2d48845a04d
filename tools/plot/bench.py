# SPDX-License-Identifier: MIT
"""Draws what `tern bench --json` measured, for docs/performance.md.

    python tools/plot/bench.py RESULTS.json OUT_FOLDER

Writes threads.png (tokens/s against threads), shares.png (shares of the machine's limits) and
depth.png (decoding against the context before it), each only if there is something to draw.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def label(result):
    """Of a test, without its threads: "tg64, 8 sequences, depth 4096"."""
    text = result["test"]
    if result["batch"] > 1:
        text += f", {result['batch']} sequences"
    if result["depth"] > 0:
        text += f", depth {result['depth']}"
    return text


def group(results, key):
    groups = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def draw_speeds(axes, results, x, name):
    """One line: the median, with bars from the slowest to the fastest run."""
    results = sorted(results, key=lambda r: r[x])
    speeds = [r["tokens_per_s"] for r in results]
    medians = [s["median"] for s in speeds]
    bars = [[s["median"] - s["min"] for s in speeds], [s["max"] - s["median"] for s in speeds]]
    axes.errorbar([r[x] for r in results], medians, yerr=bars, marker="o", capsize=3, label=name)


def plot_threads(report):
    results = report["results"]
    threads = sorted({r["threads"] for r in results})
    if len(threads) < 2:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), dpi=110)
    for axis, prefix, title in zip(axes, ("pp", "tg"), ("prompts", "decoding")):
        chosen = [r for r in results if r["test"].startswith(prefix)]
        for name, line in group(chosen, label).items():
            draw_speeds(axis, line, "threads", name)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("threads")
        axis.set_xticks(threads)
        axis.set_ylabel("tokens/s")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        if chosen:
            axis.legend(fontsize=8)
    return figure


def plot_shares(report):
    results = report["results"]
    if not results:
        return None
    names = list(group(results, label))
    threads = sorted({r["threads"] for r in results})
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.45 * len(names)), dpi=110)
    height = 0.8 / len(threads)
    for i, count in enumerate(threads):
        shares = {label(r): 100 * r["limit_share"] for r in results if r["threads"] == count}
        places = [names.index(name) + i * height for name in shares]
        bars = axes.barh(places, list(shares.values()), height,
                         label=f"{count} thread{'s' if count > 1 else ''}")
        axes.bar_label(bars, fmt="%.0f %%", fontsize=8, padding=2)
    axes.set_yticks([i + 0.4 - height / 2 for i in range(len(names))], names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 110)
    axes.set_xlabel("share of the limit, %: prompts of the int8 peak, decoding of read bandwidth")
    axes.legend(fontsize=8, loc="lower right")
    return figure


def plot_depth(report):
    lines = group([r for r in report["results"] if r["test"].startswith("tg")],
                  lambda r: f"{r['test']}, {r['batch']} sequences, {r['threads']} threads")
    lines = {name: line for name, line in lines.items() if len(line) > 1}
    if not lines:
        return None
    figure, axes = plt.subplots(figsize=(6, 4), dpi=110)
    for name, line in lines.items():
        draw_speeds(axes, line, "depth", name)
    axes.set_xlabel("tokens of context")
    axes.set_ylabel("tokens/s")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()

    report = json.loads(args.results.read_text())
    args.out.mkdir(parents=True, exist_ok=True)
    machine = f"{report['machine']['cpu']}, commit {report['machine']['commit']}"
    for name, plot in (("threads", plot_threads), ("shares", plot_shares), ("depth", plot_depth)):
        figure = plot(report)
        if figure is None:
            continue
        figure.suptitle(f"{report['model']['name']} on {machine}", fontsize=9)
        figure.tight_layout()
        path = args.out / f"{name}.png"
        figure.savefig(path, metadata={"Software": None})
        print(path)


if __name__ == "__main__":
    main()
