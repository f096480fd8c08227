"""Links and headings of the Markdown in this tree, for the check of its links and for the site."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1[`~]*[ \t]*$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"(?P<before>!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(|<(?:img|source|a)\s[^>]*?(?:src|srcset|href)=\")(?P<target>[^)\s\"]+)")
DEFINITION = re.compile(r"^ {0,3}(?P<before>\[[^\]]+\]:\s*)(?P<target>\S+)", re.MULTILINE)


def sources(root=ROOT):
    """The Markdown files of the tree, by their paths in it."""
    found = []
    for path in root.rglob("*.md"):
        name = path.relative_to(root)
        if not any(part.startswith(".") or part in ("build", "node_modules") for part in name.parts):
            found.append(str(name))
    return sorted(found)


def blanked(text, code_spans=True):
    """The text with code and comments replaced by blanks of the same length, so that places stay what they were."""
    for pattern in (FENCE, COMMENT, SPAN) if code_spans else (FENCE, COMMENT):
        text = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return text


def links(text):
    """Yields (target, start, end) of each link, image and reference definition."""
    # A link's text may be code, in which a bracket means nothing: blank only what is inside code spans.
    visible = blanked(text, code_spans=False)
    visible = SPAN.sub(lambda match: re.sub(r"[^\n]", "_", match[0]), visible)
    for pattern in (LINK, DEFINITION):
        for match in pattern.finditer(visible):
            yield text[match.start("target") : match.end("target")], match.start("target"), match.end("target")


def slug(heading):
    """The anchor that GitHub, and the site, give a heading."""
    heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    heading = re.sub(r"[`*]|<[^>]*>", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def anchors(text):
    """All anchors of a page."""
    found, counts = set(), {}
    for match in re.finditer(r"^#{1,6}\s+(.*?)\s*#*$", blanked(text, code_spans=False), re.MULTILINE):
        name = slug(text[match.start(1) : match.end(1)])
        count = counts.get(name, 0)
        counts[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found | set(re.findall(r"<a\s[^>]*?(?:id|name)=\"([^\"]+)\"", text))


def is_external(target):
    return re.match(r"[a-z][a-z0-9+.-]*:|//", target) is not None


def problems(root=ROOT):
    """Links that lead nowhere. What leads out of the tree is not followed."""
    found = []
    texts = {name: (root / name).read_text(encoding="utf-8") for name in sources(root)}
    for name, text in texts.items():
        for target, start, _ in links(text):
            if is_external(target):
                continue
            place = f"{name}:{text.count(chr(10), 0, start) + 1}: {target}"
            path, _, anchor = target.partition("#")
            whole = (root / name).parent / path if path else root / name
            if not whole.exists():
                found.append(f"{place}: there is no such file")
                continue
            inside = str(whole.resolve().relative_to(root.resolve()))
            if anchor and inside in texts and anchor not in anchors(texts[inside]):
                found.append(f"{place}: there is no such heading")
    return found
