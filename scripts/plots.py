#!/usr/bin/env python3
"""Draws the plots of docs/performance.md from what bench/growth has printed. Standard library only.

    scripts/plots.py RESULTS.csv DIRECTORY
"""
import csv
import math
import pathlib
import sys

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 40, 44
COLORS = ["#2563eb", "#c2410c"]
# file name: title, label below, label of the values, whether x is logarithmic, {series: name in the plot}
PLOTS = {
    "processes": ("Idle processes on the machine", "processes", "µs of a processor", False, {
        "claim and release by idle processes": "claim and release", "running by idle processes": "running"}),
    "files": ("Other files in the state directory", "files", "µs of a processor", True, {
        "claim and release by files in the directory": "claim and release", "running by files in the directory": "running"}),
    "claims": ("Claims made in the directory before", "claims", "µs of a processor", False, {
        "claim and release by claims before": "claim and release"}),
    "callers": ("Threads that ask at the same time", "threads", "questions per second of a processor", True, {
        "questions per second of a processor by callers": "running"}),
}


def read(path):
    series = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            series.setdefault(row["series"], []).append((float(row["x"]), float(row["y"])))
    return series


def round_up(value):
    step = 10 ** math.floor(math.log10(value))
    return next(most * step for most in (1, 2, 2.5, 5, 10) if most * step >= value)


def figure(value):
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def plot(title, below, beside, logarithmic, lines):
    most_x = max(x for points in lines.values() for x, _ in points)
    most_y = round_up(max(y for points in lines.values() for _, y in points))
    scale = (lambda x: math.log10(x + 1)) if logarithmic else (lambda x: x)

    def across(x):
        return LEFT + (WIDTH - LEFT - RIGHT) * scale(x) / scale(most_x)

    def up(y):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / most_y

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
           f'font-family="system-ui, sans-serif" font-size="12">',
           f"<title>{title}</title>", f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="18" font-size="14" font-weight="600" fill="#111827">{title}</text>']
    for part in range(5):
        y = most_y * part / 4
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}" stroke="#e5e7eb"/>')
        out.append(f'<text x="{LEFT - 6}" y="{up(y) + 4:.1f}" text-anchor="end" fill="#4b5563">{figure(y)}</text>')
    ticks = sorted({x for points in lines.values() for x, _ in points})
    if len(ticks) > 8:
        ticks = [most_x * part / 4 for part in range(5)]
    last = -math.inf
    for x in ticks:
        if across(x) - last < 44:  # labels would overlap
            continue
        last = across(x)
        anchor = "end" if x == most_x else "middle"
        out.append(f'<text x="{last:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}" fill="#4b5563">{figure(x)}</text>')
    out.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" fill="#4b5563">{below}</text>')
    out.append(f'<text x="{LEFT}" y="34" fill="#4b5563">{beside}</text>')
    for at, (name, points) in enumerate(lines.items()):
        color = COLORS[at]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{color}"/>' for x, y in points]
        out.append(f'<text x="{WIDTH - RIGHT - 130 * at}" y="34" text-anchor="end" fill="{color}">{name}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    series = read(sys.argv[1])
    directory = pathlib.Path(sys.argv[2])
    for file, (title, below, beside, logarithmic, names) in PLOTS.items():
        lines = {name: series[key] for key, name in names.items()}
        (directory / f"growth-{file}.svg").write_text(plot(title, below, beside, logarithmic, lines))


if __name__ == "__main__":
    main()
