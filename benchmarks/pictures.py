"""The pictures of RESULTS.md and README.md, drawn by matplotlib as SVG without a background, in colours that both light and dark pages bear.

Used by report.
"""

import harness

FOLDER = harness.HERE / "pictures"
TEXT = "#7b828c"  # 4 : 1 on white, 5 : 1 on black
COLOURS = {"pump": "#9aa0a8", "pump_filter": "#3f8fd2", "busgate": "#e0701a", "xdg-dbus-proxy": "#3a9d5d"}
MARKERS = {"pump": "|", "pump_filter": "o", "busgate": "D", "xdg-dbus-proxy": "s"}
SHOWN = ["rr", "pipe-16", "pipe-1k", "pipe-64k", "kinds-16", "signals-16", "signals-half", "signals-64k", "denials", "fds-1", "clients-100", "connect",
         "body-16m"]


def plotting():
    """pyplot, set up; imported late, since it takes a second."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "busgate", "font.family": "sans-serif", "font.size": 11, "text.color": TEXT, "axes.labelcolor": TEXT,
        "xtick.color": TEXT, "ytick.color": TEXT, "axes.edgecolor": TEXT, "axes.spines.top": False, "axes.spines.right": False, "grid.color": TEXT,
        "grid.alpha": 0.25, "axes.axisbelow": True, "legend.frameon": False, "savefig.transparent": True})
    from matplotlib import pyplot
    return pyplot


def save(figure, name):
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})


def plain_numbers(axis):
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def cpu(pyplot, results):
    names = [name for name in SHOWN if name in results["cases"]][::-1]
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(names) + 1.2))
    for proxy in results["proxies"]:
        points = [(results["cases"][name]["proxies"][proxy]["cpu"] / 1000, row) for row, name in enumerate(names)
                  if proxy in results["cases"][name]["proxies"]]
        axes.scatter(*zip(*points), label=proxy, color=COLOURS[proxy], marker=MARKERS[proxy], s=70 if proxy == "busgate" else 55, linewidths=1.8,
                     zorder=4 if proxy == "busgate" else 3)
    axes.set_yticks(range(len(names)), [results["cases"][name]["what"] for name in names])
    axes.set_xscale("log")
    plain_numbers(axes.xaxis)
    axes.set_xlabel("µs of CPU of the proxy per operation (each line: ten times)")
    axes.grid(axis="both")
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.35, 1.0))
    save(figure, "cpu")


def lines(pyplot, name, series, xlabel, ylabel, ticks):
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for proxy, points in series.items():
        axes.plot(*zip(*points), label=proxy, color=COLOURS[proxy], marker=MARKERS[proxy], linewidth=2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(ticks)
    axes.minorticks_off()
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(axis="both")
    axes.legend(loc="upper left")
    save(figure, name)


def draw(results, footprint):
    """Draws what there are figures for."""
    pyplot = plotting()
    if results:
        cpu(pyplot, results)
        counts = [1, 10, 100, 1000, 10000]
        series = {proxy: [(n, results["cases"][f"rules-{n}"]["proxies"][proxy]["cpu"] / 1000) for n in counts
                          if proxy in results["cases"].get(f"rules-{n}", {"proxies": {}})["proxies"]]
                  for proxy in results["proxies"] if proxy != "pump"}
        series = {proxy: points for proxy, points in series.items() if points}
        if series:
            lines(pyplot, "rules", series, "rules, of which the last one matches", "µs of CPU per call", counts)
    if footprint:
        series = {proxy: [(int(offered), kib / 1024) for offered, kib in peaks.items()]
                  for proxy, peaks in footprint["peaks"].items()}
        offered = sorted({point[0] for points in series.values() for point in points})
        lines(pyplot, "stalled", series, "MiB of signals on offer to a client that does not read", "peak resident MiB of the proxy", offered)
