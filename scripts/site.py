#!/usr/bin/env python3
"""Lays out the sources of the site: README and docs as they are, the reference, and the sources that these link to.

    scripts/site.py DIR     writes DIR/pages and DIR/mkdocs.yml; scripts/site.sh turns them into HTML

Pages keep their paths, so that their links among each other need no change; a link to a source file leads to a page with
its text, a link to a directory to a list of what is in it.
"""

import argparse
import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import headers
import links
import reference

ROOT = headers.ROOT
LANGUAGES = {".hpp": "cpp", ".cpp": "cpp", ".h": "cpp", ".py": "python", ".sh": "bash", ".txt": "text", ".json": "json", ".cmake": "cmake"}
# Which page belongs to which part of the site; what is in none of them stands with those about how it works.
BESIDE = ["docs/command.md", "docs/interface.md"]  # with the reference
MAINTAINERS = ["docs/architecture.md", "docs/releasing.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
INSIDE = ["docs/protocol.md", "docs/start-on-demand.md", "docs/supervisors.md", "docs/verification.md", "docs/measurements.md"]
ELSEWHERE = ("tests/", "conan/", "site/")  # Markdown that is no documentation


class Site:
    def __init__(self, directory):
        self.pages = directory / "pages"
        self.directory = directory
        self.sources = set()  # files and directories that get a page because somebody links to them
        self.problems = []

    def write(self, name, text):
        path = self.pages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def build(self):
        shutil.rmtree(self.pages, ignore_errors=True)
        documents = [name for name in links.sources() if not name.startswith(ELSEWHERE)]
        for name in documents:
            text = self.document(name, documents)
            if name == "README.md":
                self.write("index.md", "---\nhide:\n  - navigation\n---\n\n" + text)  # it has nobody beside it
            else:
                self.write(name, text)
        whole = reference.Reference(headers.read_headers())
        policies = self.policies = sorted(whole.paths[name] for name in whole.concepts)
        for name, text in whole.pages().items():
            is_listed = name == "index.md" or name.startswith("headers/") or name in policies
            front = "" if is_listed else "---\nhide:\n  - navigation\n---\n\n"  # the lists on its left would be others'
            self.write(f"reference/{name}", front + stacked(text))
        self.sources |= {f"include/{header}" for header in self.header_names()}
        done = set()
        while self.sources - done:  # a list of a directory leads to its files
            for name in sorted(self.sources - done):
                done.add(name)
                self.write(*self.source(name))
        shutil.copytree(ROOT / "site", self.pages / "assets", ignore=lambda _, names: [n for n in names if not n.endswith((".css", ".svg"))])
        self.configuration(documents)
        return self.problems

    @staticmethod
    def header_names():
        return [str(path.relative_to(ROOT / "include")) for path in (ROOT / "include").glob("genie/**/*.hpp")]

    # --- documents ---

    def document(self, name, documents):
        """A document as the site's generator understands it."""
        text = (ROOT / name).read_text(encoding="utf-8")
        pieces, last = [], 0
        for target, start, end in sorted(links.links(text), key=lambda link: link[1]):
            pieces += [text[last:start], self.target(target, name, documents)]
            last = end
        return with_loose_lists("".join([*pieces, text[last:]]))

    def target(self, target, name, documents):
        if links.is_external(target):
            return target
        path, _, anchor = target.partition("#")
        if not path:
            return target
        whole = (ROOT / name).parent / path
        if not whole.exists():
            self.problems.append(f"{name}: {target}: there is no such file")
            return target
        inside = str(whole.resolve().relative_to(ROOT))
        here = os.path.dirname("index.md" if name == "README.md" else name)
        if inside in documents:
            to = "index.md" if inside == "README.md" else inside
        elif whole.suffix in (".svg", ".png", ".gif", ".webp"):
            (self.pages / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(whole, self.pages / inside)
            to = inside
        else:
            self.sources.add(inside)
            to = source_page(inside, whole.is_dir())
            line = re.fullmatch(r"L(\d+)(-L\d+)?", anchor)
            anchor = f"__codelineno-0-{line[1]}" if line else ""
        return os.path.relpath(to, here or ".") + (f"#{anchor}" if anchor else "")

    # --- sources ---

    def source(self, name):
        """(path, text) of the page that shows a file or a directory. Search leaves them out."""
        path = ROOT / name
        front = "---\nsearch:\n  exclude: true\nhide:\n  - navigation\n  - toc\n---\n\n"
        title = f"# {name}\n\n"
        if path.is_dir():
            # What is not in the repository is nobody's to see.
            known = subprocess.run(["git", "-C", ROOT, "ls-files", "--", name], capture_output=True, text=True).stdout.split("\n")
            inside = sorted({f"{name}/{each[len(name) + 1 :].split('/')[0]}" for each in known if each.startswith(name + "/")})
            here = os.path.dirname(source_page(name, True))
            items = []
            for each in inside:
                self.sources.add(each)
                to = os.path.relpath(source_page(each, (ROOT / each).is_dir()), here)
                items.append(f"- [`{os.path.basename(each)}`]({to})\n")
            return source_page(name, True), front + title + "".join(items)
        text = path.read_text(encoding="utf-8")
        longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        language = LANGUAGES.get(path.suffix, "text")
        about = ""
        if name.startswith("include/"):
            to = "reference/" + reference.header_path(name.removeprefix("include/"))
            about = f"[What it declares]({os.path.relpath(to, os.path.dirname(source_page(name, False)))})\n\n"
        return source_page(name, False), f"{front}{title}{about}{fence} {{ .{language} linenums=\"1\" }}\n{text.rstrip()}\n{fence}\n"

    # --- configuration ---

    def configuration(self, documents):
        def under(folder):
            found = sorted(name for name in documents if name.startswith(folder))
            first = folder + "README.md"
            if first not in found:
                return found
            # Its first page tells in which order the others are read.
            text = (ROOT / first).read_text(encoding="utf-8")
            told = [os.path.normpath(folder + target.partition("#")[0]) for target, _, _ in sorted(links.links(text), key=lambda link: link[1])]
            return sorted(found, key=lambda name: (name != first, told.index(name) if name in told else len(told)))

        known = {"README.md", *BESIDE, *MAINTAINERS, *INSIDE}
        rest = [name for name in documents if name not in known and not name.startswith(("docs/guide/", "docs/recipes/"))]
        by_header = sorted(str(path.relative_to(self.pages)) for path in (self.pages / "reference/headers").glob("*.md"))
        parts = [
            ("Home", ["index.md"]),
            ("Guide", under("docs/guide/")),
            ("Recipes", under("docs/recipes/")),
            ("Reference", ["reference/index.md", *[name for name in BESIDE if name in documents], ("Named requirements", [f"reference/{name}" for name in self.policies]), ("Headers", by_header)]),
            ("How it works", [name for name in INSIDE if name in documents] + rest),
            ("For maintainers", [name for name in MAINTAINERS if name in documents]),
        ]
        lines = [(ROOT / "site/mkdocs.yml").read_text(encoding="utf-8")]
        lines += [f"docs_dir: {self.pages}", f"site_dir: {self.directory / 'html'}", "nav:"]
        for title, pages in parts:
            if pages:
                lines += navigation(title, pages, "  ")
        (self.directory / "mkdocs.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def navigation(title, pages, indent):
    lines = [f"{indent}- {title}:"]
    for page in pages:
        lines += navigation(*page, indent + "    ") if isinstance(page, tuple) else [f"{indent}    - {page}"]
    return lines


def source_page(name, is_directory):
    return f"source/{name}/index.md" if is_directory else f"source/{name}.md"


def stacked(text):
    """Marks the tables of a page as lists of entries, which a phone shows one below the other."""
    return re.sub(r"(?:^\|.*\n)+", lambda table: f'<div class="stacked" markdown>\n\n{table[0]}\n</div>\n', text, flags=re.MULTILINE)


def with_loose_lists(text):
    """The site's generator wants an empty line before a list and four columns for what belongs to an item; GitHub does not."""
    out, fence, inside_list, previous = [], None, False, ""
    for line in text.split("\n"):
        marker = re.match(r" *(`{3,}|~{3,})", line)
        if fence:
            out.append(widened(line, inside_list))
            if marker and marker[1].startswith(fence):
                fence = None
            previous = line
            continue
        if marker:
            fence = marker[1]
        item = re.match(r"( *)([-*+]|\d+\.) +\S", line)
        if item and not item[1] and previous.strip() and not inside_list and not re.match(r"\s*(#|<!--|>)", previous):
            out.append("")
        if item:
            inside_list = True
        elif line.strip() and not line.startswith(" ") and not previous.strip():
            inside_list = False
        out.append(widened(line, inside_list))
        previous = line
    return "\n".join(out)


def widened(line, inside_list):
    spaces = len(line) - len(line.lstrip(" "))
    return " " * (4 * ((spaces + 2) // 4 if spaces % 4 else spaces // 4) or 4) + line.lstrip(" ") if inside_list and spaces in (2, 3, 5, 6, 7) else line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    problems = Site(options.directory.resolve()).build()
    print("\n".join(html.unescape(problem) for problem in problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
