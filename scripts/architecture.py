#!/usr/bin/env python3
"""Draws the house that genie is, from the includes of its headers, and sees that they lead downwards only. Draws the
states of a state directory, too.

    scripts/architecture.py            writes docs/images/architecture.svg and docs/images/states.svg
    scripts/architecture.py --check    says which include leads upwards, which header has no floor, and whether a picture
                                       is stale; exits 1 then
"""

import argparse
import html
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs/images"


@dataclass
class Part:
    name: str
    about: str
    headers: str  # a pattern of the names, without `genie/` and `.hpp`
    may_include: tuple = ()  # what else than itself and the floors below


# From the top. Whoever stands on a floor may include what stands on it, and on all floors below.
FLOORS = [
    Part("command", "the genie command", r"cli/.*"),
    Part("adapters", "opt-in: what costs more, or speaks to others", r"fmt|system_error|systemd"),
    Part("guard", "what programs include", r"serve_guard|ensure", ("system",)),
    Part("lifecycle", "ready, found, started, stopped", r"boot|failure|endpoints|port_file|status|stop|standby|role|log_file|handover"),
    Part("claim", "one owner, and what it leaves", r"claim|owner|judge|evidence|sentinel|state_files|host|change_wait|endpoint_file|withdraw|leftovers|leavings|publish"),
    Part("records", "what stands in the files", r"record/.*"),
    Part("policies", "what may be replaced", r"policy/.*"),
    Part("values", "no header of genie below", r"text|result|duration|identity|version|version_order|lock_bytes|function_ref|concepts|language"),
]
# Beside the house. Nobody in it includes them, except through the doors that are named in `may_include`.
WINGS = [
    Part("testing", "fakes, faults and exploration, for your tests", r"testing/.*", ("platform", "policies", "values")),
    Part("system", "the doors: System… is this platform's", r"system|system_launcher", ("platform", "policies", "values")),
    Part("platform", "beside the house, too: a folder for each system, and for what several share", r"(linux|macos|freebsd|bsd|posix|windows)/.*", ("policies", "values")),
]
# The command may look behind the doors: it supervises, which is no policy's matter.
EXTRA = {"command": ("system", "platform"), "adapters": ("system",)}


def read_includes(tree=ROOT):
    """Header or source -> what of genie it includes; names without `genie/` and `.hpp`."""
    found = {}
    for folder, pattern in [("include/genie", "**/*.hpp"), ("cli", "*.[ch]pp")]:
        for path in sorted((tree / folder).glob(pattern)):
            name = str(path.relative_to(tree / "include/genie" if folder != "cli" else tree).with_suffix(""))
            included = re.findall(r'^\s*#\s*include\s*[<"](?:genie/(\S+)\.hpp)[>"]', path.read_text(encoding="utf-8"), re.MULTILINE)
            found.setdefault(name, set()).update(included)
    return found


def part_of(name):
    for part in FLOORS + WINGS:
        if re.fullmatch(part.headers, name):
            return part
    return None


def allowed(part):
    """Names of the parts that a part may include."""
    names = [floor.name for floor in FLOORS]
    below = names[names.index(part.name) :] if part.name in names else [part.name]
    return {*below, *part.may_include, *EXTRA.get(part.name, ())}


def problems(includes):
    found = []
    for name, targets in includes.items():
        part = part_of(name)
        if part is None:
            found.append(f"{name}: has no floor yet: say in scripts/architecture.py on which one it stands")
            continue
        for target in sorted(targets):
            other = part_of(target)
            if other is not None and other.name not in allowed(part):
                found.append(f"{name} ({part.name}) includes {target} ({other.name}): that leads upwards")
    return found + cycles(includes)


def cycles(includes):
    """Headers that include each other in a ring; none can say which of them is below."""
    found, state = [], {}

    def visit(name, path):
        if state.get(name) == "done" or name not in includes:
            return
        if state.get(name) == "open":
            found.append(" includes ".join(path[path.index(name) :] + [name]) + ": that is a ring")
            return
        state[name] = "open"
        for target in sorted(includes[name]):
            visit(target, path + [name])
        state[name] = "done"

    for name in includes:
        visit(name, [])
    return found


# --- the picture -----------------------------------------------------------------------------------------------------

WIDTH, LABEL, GAP, CHIP = 1020, 172, 10, 22
HOUSE, WING = 690, 300
ADVANCE = 6.65  # of a character in a chip
COLOURS = {"command": "#7a4a1d", "adapters": "#8a6d1f", "guard": "#1f5e73", "lifecycle": "#2b6a55", "claim": "#3c5f96",
           "records": "#5b4a8a", "policies": "#8a3f5d", "values": "#4d5560", "testing": "#56702a", "system": "#6b4a3a", "platform": "#6b4a3a"}


def ordered(names, includes):
    """The names of one part, so that each includes only those before it."""
    rest, result = sorted(names), []
    while rest:
        ready = [name for name in rest if not (includes[name] & set(rest) - {name})] or rest[:1]
        result.append(ready[0])
        rest.remove(ready[0])
    return result


def inclusions(part, includes):
    """How many includes lead from a part to which other one."""
    counts = {}
    for name, targets in includes.items():
        if part_of(name) is part:
            for target in targets:
                other = part_of(target)
                if other is not None and other is not part:
                    counts[other.name] = counts.get(other.name, 0) + 1
    order = [each.name for each in FLOORS + WINGS]
    return sorted(counts.items(), key=lambda item: order.index(item[0]))


def band(part, names, includes, x, y, width, label):
    """One floor or wing. Returns its SVG and its height."""
    left = x + (label or 14)
    chips, at_x, at_y = [], left, y + (GAP if label else 50)
    for name in names:
        text = name.split("/", 1)[1] if "/" in name else name
        wide = len(text) * ADVANCE + 14
        if at_x + wide > x + width - GAP:
            at_x, at_y = left, at_y + CHIP + 6
        chips.append(
            f'<rect x="{at_x:.1f}" y="{at_y}" width="{wide:.1f}" height="{CHIP}" rx="4" class="chip"/>'
            f'<text x="{at_x + 7:.1f}" y="{at_y + 15}" class="name" textLength="{len(text) * ADVANCE:.1f}">{html.escape(text)}</text>'
        )
        at_x += wide + 6
    at_y += CHIP + 19
    below = ", ".join(f"{name} {count}" for name, count in inclusions(part, includes))
    height = max(at_y + 8 - y, 62 if label else 0)
    says = f"includes: {below}" if below else "includes nothing of genie"
    chips.append(f'<text x="{left}" y="{y + height - 8}" class="below">{says}</text>')
    words = part.about.split(" ")
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > (24 if label else 46):
            lines.append("")
        lines[-1] += word + " "
    about = "".join(f'<text x="{x + 14}" y="{y + (40 if label else 38) + 14 * at}" class="about">{html.escape(line.strip())}</text>' for at, line in enumerate(lines))
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="floor"/>'
        f'<rect x="{x}" y="{y}" width="6" height="{height}" rx="3" fill="{COLOURS[part.name]}"/>'
        f'<text x="{x + 14}" y="{y + 22}" class="title" fill="{COLOURS[part.name]}">{part.name}</text>{about}\n' + "\n".join(chips)
    ), height


def folders(part, names, includes, x, y, width):
    """A part that consists of folders, side by side. Returns its SVG and its height."""
    by_folder = {}
    for name in sorted(names):
        by_folder.setdefault(name.split("/")[0], []).append(name.split("/", 1)[1])
    column = (width - 2 * GAP) / max(1, len(by_folder))
    pieces, deepest = [], 0
    for at, (folder, stems) in enumerate(by_folder.items()):
        left = x + GAP + 4 + at * column
        pieces.append(f'<text x="{left:.1f}" y="{y + 62}" class="folder">{html.escape(folder)}/</text>')
        for row, stem in enumerate(stems):
            top = y + 70 + row * (CHIP + 5)
            pieces.append(
                f'<rect x="{left:.1f}" y="{top}" width="{len(stem) * ADVANCE + 14:.1f}" height="{CHIP}" rx="4" class="chip"/>'
                f'<text x="{left + 7:.1f}" y="{top + 15}" class="name" textLength="{len(stem) * ADVANCE:.1f}">{html.escape(stem)}</text>'
            )
        deepest = max(deepest, len(stems))
    height = 70 + deepest * (CHIP + 5) + 28
    says = ", ".join(f"{name} {count}" for name, count in inclusions(part, includes))
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="floor"/>'
        f'<rect x="{x}" y="{y}" width="6" height="{height}" rx="3" fill="{COLOURS[part.name]}"/>'
        f'<text x="{x + 14}" y="{y + 22}" class="title" fill="{COLOURS[part.name]}">{part.name}</text>'
        f'<text x="{x + 14}" y="{y + 39}" class="about">{html.escape(part.about)}</text>\n' + "\n".join(pieces) +
        f'<text x="{x + 14}" y="{y + height - 9}" class="below">includes: {says}</text>'
    ), height


def draw(includes):
    members = {part.name: ordered([name for name in includes if part_of(name) is part], includes) for part in FLOORS + WINGS}
    pieces, y = [], 92
    roof = FLOORS[0]
    pieces.append(
        f'<path d="M{20 + HOUSE / 2} 14 L{HOUSE + 32} 82 L8 82 Z" fill="{COLOURS["command"]}"/>'
        f'<text x="{20 + HOUSE / 2}" y="56" class="roof">{roof.about}</text>'
        f'<text x="{20 + HOUSE / 2}" y="73" class="roof small">includes: {", ".join(f"{name} {count}" for name, count in inclusions(roof, includes))}</text>'
    )
    tops = {}
    for part in FLOORS[1:]:
        piece, height = band(part, members[part.name], includes, 20, y, HOUSE, LABEL)
        pieces.append(piece)
        tops[part.name] = y
        y += height + 16
        if part is not FLOORS[-1]:
            middle = 20 + HOUSE / 2
            pieces.append(f'<path d="M{middle} {y - 15} v9 m-4 -4 l4 5 l4 -5" class="arrow"/>')
    bottom = y - 16
    left = HOUSE + 40
    testing, system, platform = WINGS
    piece, height = band(testing, members["testing"], includes, left, 92, WING, 0)
    pieces.append(piece)
    system_height = band(system, members["system"], includes, 0, 0, WING, 0)[1]
    system_at = max(92 + height + 16, bottom - system_height)
    pieces.append(band(system, members["system"], includes, left, system_at, WING, 0)[0])
    door = tops["guard"] + 30
    pieces.append(f'<path d="M{HOUSE + 20} {door} h{GAP} V{system_at + system_height / 2:.0f} h{GAP - 3} m-5 -4 l5 4 l-5 4" class="arrow"/>')
    below = max(bottom, system_at + system_height) + 30
    pieces.append(f'<path d="M{left + WING / 2} {system_at + system_height + 3} V{below - 4} m-4 -5 l4 5 l4 -5" class="arrow"/>')
    piece, height = folders(platform, members["platform"], includes, 20, below, HOUSE + 20 + WING)
    pieces.append(piece)
    height += below + 44
    style = (
        "text{font-family:system-ui,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif}"
        ".title{font-size:15px;font-weight:600}.about{font-size:11.5px;fill:#5a6470}.below{font-size:11px;font-style:italic;fill:#5a6470}"
        ".name{font:11px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2933}.chip{fill:#fff;stroke:#c9d1da}"
        ".floor{fill:#eef1f5;stroke:#d5dbe2}.roof{fill:#fff;font-size:15px;font-weight:600;text-anchor:middle}.small{font-size:11px;font-weight:400}"
        ".folder{font:600 12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#6b4a3a}.arrow{fill:none;stroke:#5a6470;stroke-width:1.5}"
    )
    note = "An arrow means “includes”. On a floor, a header includes only those before it. The numbers count includes; the platform is reached through the doors only."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 20} {height}" width="{WIDTH + 20}" height="{height}" role="img" '
        f'aria-label="The headers of genie on floors; each includes only what is below">\n<style>{style}</style>\n'
        f'<rect width="{WIDTH + 20}" height="{height}" rx="8" fill="#fbfcfd"/>\n' + "\n".join(pieces) +
        f'\n<text x="20" y="{height - 16}" class="about">{note}</text>\n</svg>\n'
    )


# The states of a directory, as `status` tells them: centre, and what it means.
STATES = {
    "stopped": (110, 130, "nobody, nothing left"),
    "starting": (430, 130, "claimed, not ready"),
    "running": (790, 130, "claimed and ready"),
    "stopping": (790, 270, "a stop is at work"),
    "stale": (430, 430, "a dead owner's record"),
    "orphaned": (790, 430, "owner dead, lock held"),
    "unknown": (160, 430, "nothing can be proved"),
}
OWNED = (300, 70, 655, 250)  # around those in which somebody owns the directory
# Path, and where its label stands, centred; lines of the label.
ARROWS = [
    ("M190 118 H350", 270, 92, ["claim: the lock is won,", "a record is published"]),
    ("M350 146 H190", 268, 166, ["release; or the start failed,", "which all who wait are told"]),
    ("M510 130 H710", 615, 106, ["ready"]),
    ("M790 162 V238", 866, 196, ["stop: sentinel, SIGTERM", "(also while it starts)"]),
    ("M710 280 C540 300 240 290 150 162", 560, 258, ["ended; record and port removed", "under the lock"]),
    ("M790 98 C790 20 110 20 110 98", 450, 32, ["release"]),
    ("M395 398 V162", 330, 350, ["claim: takeover,", "by exchange"]),
    ("M480 320 V398", 570, 352, ["killed: the kernel", "frees the lock"]),
    ("M790 320 V398", 870, 352, ["killed, and a child", "has the lock"]),
    ("M710 430 H510", 610, 420, ["the child ends"]),
    ("M360 412 C280 390 190 280 130 162", 222, 330, ["stop: cleaned"]),
    ("M790 462 C790 505 700 505 600 505 H110 C55 505 50 480 50 430 V162", 450, 496, ["stop (--orphans): ended, and cleaned"]),
]


def draw_states():
    pieces = []
    x, y, width, height = OWNED
    pieces.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="12" class="owned"/>')
    pieces.append(f'<text x="{x + 14}" y="{y + height - 12}" class="about">somebody owns it: the lock is held</text>')
    for path, _, _, _ in ARROWS:
        pieces.append(f'<path d="{path}" class="edge" marker-end="url(#head)"/>')
    for name, (at_x, at_y, about) in STATES.items():
        pieces.append(
            f'<rect x="{at_x - 80}" y="{at_y - 32}" width="160" height="64" rx="10" class="state {name}"/>'
            f'<text x="{at_x}" y="{at_y - 4}" class="title">{name}</text><text x="{at_x}" y="{at_y + 16}" class="about middle">{html.escape(about)}</text>'
        )
    for _, at_x, at_y, lines in ARROWS:
        for at, line in enumerate(lines):
            inside = " inside" if x < at_x < x + width and y < at_y < y + height else ""
            pieces.append(f'<text x="{at_x}" y="{at_y + 14 * at}" class="label{inside}">{html.escape(line)}</text>')
    style = (
        "text{font-family:system-ui,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif}"
        ".title{font-size:16px;font-weight:600;text-anchor:middle;fill:#1f2933}.about{font-size:11.5px;fill:#5a6470}.middle{text-anchor:middle}"
        ".label{font-size:12px;fill:#1f2933;text-anchor:middle;paint-order:stroke;stroke:#fbfcfd;stroke-width:5px;stroke-linejoin:round}.inside{stroke:#e8f1f4}"
        ".edge{fill:none;stroke:#5a6470;stroke-width:1.5}.owned{fill:#e8f1f4;stroke:#9dbcc8;stroke-dasharray:6 5}"
        ".state{fill:#fff;stroke:#5a6470;stroke-width:1.5}.running{stroke:#2b6a55;stroke-width:2.5}.stale,.orphaned{stroke:#b06a1c}.unknown{stroke:#8a3f5d}"
    )
    head = '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 1 L9 5 L0 9" fill="none" stroke="#5a6470" stroke-width="1.6"/></marker></defs>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 540" width="980" height="540" role="img" '
        f'aria-label="The states of a state directory and what leads from one to another">\n<style>{style}</style>\n{head}\n'
        '<rect width="980" height="540" rx="8" fill="#fbfcfd"/>\n' + "\n".join(pieces) + "\n</svg>\n"
    )


def pictures(includes):
    return {
        "architecture.svg": draw({name: targets for name, targets in includes.items() if part_of(name)}),
        "states.svg": draw_states(),
    }


def stale(includes):
    """Names of pictures that are not what would be drawn now."""
    return [
        name for name, text in pictures(includes).items()
        if not (IMAGES / name).exists() or (IMAGES / name).read_text(encoding="utf-8") != text
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args()
    includes = read_includes()
    found = problems(includes)
    if options.check:
        found += [f"docs/images/{name} is stale; draw it anew with scripts/architecture.py, and look at it" for name in stale(includes)]
    else:
        IMAGES.mkdir(parents=True, exist_ok=True)
        for name, text in pictures(includes).items():
            (IMAGES / name).write_text(text, encoding="utf-8")
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
