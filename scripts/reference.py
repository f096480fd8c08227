#!/usr/bin/env python3
"""Generates the reference from the headers: a page for each public name and each header, with requirements tables.

    scripts/reference.py --check          says which public names are not documented, and exits 1 if any is not
    scripts/reference.py --output DIR     writes the pages, in Markdown

What must be documented, by a `///` comment in front of it or a `///<` behind it:
  - each name of namespace genie or genie::testing (one overload speaks for all), and each macro;
  - each public member function, unless it is an operator, has the name and meaning of a container's (`size`, `empty`),
    or is what a policy requires of its models: then the requirements table speaks for it;
  - each enumerator, unless none of its enumeration is, because the enumeration's comment says it of all.
A data member whose name and type say everything needs no comment of its own; its class does.
Each expression that a policy's concept requires must have its row in the requirements table, and each row its expression.
"""

import argparse
import functools
import re
import sys
from collections import defaultdict
from pathlib import Path

import headers

ROOT = headers.ROOT
STANDARD = {"data", "size", "empty", "begin", "end", "clear", "c_str"}  # mean what they mean in the standard library
LABELS = "Requires|Effects|Returns|Errors|Units|Thread safety|Source|Example|Order|Warning"
ENTRY_POINTS = ["genie/serve_guard.hpp", "genie/ensure.hpp", "genie/fmt.hpp", "genie/system_error.hpp", "genie/systemd.hpp"]
GROUPS = [  # of the index: title, what belongs there, and the headers, the first match decides
    ("Policies", "What a program may replace: the requirements that the protocol has of the system.", r"genie/policy/"),
    ("The platform", "The policies that talk to the real system. Use them by the names of `genie/system.hpp`.",
     r"genie/(system|system_launcher)\.hpp|genie/(linux|macos|freebsd|bsd|posix|windows)/"),
    ("Records", "What stands in the files, and how it is written and read.", r"genie/record/"),
    ("For tests", "Fakes, fault injection and exploration for the tests of your own program.", r"genie/testing/"),
    ("Adapters", "Opt-in headers that bring in more than the core does.", r"genie/(fmt|system_error|systemd)\.hpp"),
    ("The library", "What programs call, and what that returns.", r"genie/"),
]
ORDER = ["The library", "Policies", "Adapters", "For tests", "The platform", "Records"]


class Reference:
    def __init__(self, parsed):
        self.headers = parsed
        self.classes = defaultdict(list)  # short name -> classes, internal ones too, from which others may inherit
        for header in parsed:
            for entity in [*header.entities, *header.internal]:
                if entity.kind in ("class", "struct"):
                    self.classes[entity.name].append(entity)
        self.names = defaultdict(list)  # qualified name -> its declarations
        for header in parsed:
            for entity in header.entities:
                self.names[entity.qualified].append(entity)
        for name, entities in list(self.names.items()):
            self.names[name] = without_declarations(entities)
        self.concepts = {
            name: entities[0] for name, entities in self.names.items() if entities[0].kind == "concept" and table_rows(entities[0].doc)
        }
        self.aliases = self.resolve_aliases()
        self.paths = self.choose_paths()

    def resolve_aliases(self):
        """Short name of an alias -> short name of what it means."""
        found = {}
        for entities in self.names.values():
            for entity in entities:
                target = re.match(r"using \w+ = (\w+);", entity.text) if entity.kind == "alias" else None
                if target:
                    found[entity.name] = target[1]
        return found

    def choose_paths(self):
        """Qualified name -> file below the output directory. No two differ by case only."""
        taken, paths = set(), {}
        for name in sorted(self.names, key=lambda n: (self.names[n][0].kind == "function", n)):
            parts = name.removeprefix("genie::").split("::")
            stem = "/".join(parts)
            if stem.lower() in taken or parts == ["index"]:
                stem += "-" + self.names[name][0].kind
            taken.add(stem.lower())
            paths[name] = stem + ".md"
        return paths

    @functools.cache
    def inherited(self, header, line):
        """Names of the public members that the class at that place has from its bases."""
        entity = next(each for found in self.classes.values() for each in found if (each.header, each.line) == (header, line))
        names = set()
        clause = re.search(r"\b(?:class|struct)\s+\w+(?:<[^{]*?>)?\s*:(?!:)(.*)", entity.text, re.DOTALL)
        # An argument of a base may be its base: what they have is this class's, too.
        for scope, name in re.findall(r"(?:(\w+)::)?\b(\w+)", clause[1] if clause else ""):
            for base in self.classes.get(name, ()):
                if base is not entity and (base.scope.split("::")[-1] == scope if scope else base.scope == entity.scope):
                    names |= {member.name for member in base.members if member.kind != "constructor"}
                    names |= self.inherited(base.header, base.line)
        return frozenset(names)

    def names_in(self, entity):
        return {member.name for member in entity.members} | self.inherited(entity.header, entity.line)

    # --- what is missing ---

    def models_of(self, concept):
        """Classes that have everything that a concept requires, by their qualified names."""
        wanted = required_members(concept)
        found = []
        for name, entities in self.names.items():
            if any(entity.kind in ("class", "struct") and wanted and wanted <= self.names_in(entity) for entity in entities):
                found.append(name)
        return found

    def required_of(self, entity):
        """Members that a requirements table speaks for: name -> (concept, row)."""
        rows = {}
        have = self.names_in(entity) if entity.kind in ("class", "struct") else set()
        for name, concept in self.concepts.items():
            wanted = required_members(concept)
            if wanted and wanted <= have:
                told = optional_rows(concept.doc) | table_rows(concept.doc)
                rows |= {key: (name, row) for key, row in told.items() if key in wanted or key in have}
        return rows

    def problems(self):
        found = []
        for name, entities in self.names.items():
            first = entities[0]
            if not any(entity.doc for entity in entities):
                found.append(f"{first.header}:{first.line}: {first.kind} {name} is not documented")
            for entity in entities:
                found += self.member_problems(entity)
        for name, concept in self.concepts.items():
            required, rows = required_members(concept), set(table_rows(concept.doc))
            place = f"{concept.header}:{concept.line}: {name}"
            found += [f"{place}: the requirements table has no row for {what}" for what in sorted(required - rows)]
            found += [f"{place}: the requirements table has {what}, which the concept does not require" for what in sorted(rows - required)]
        return sorted(found)

    def member_problems(self, entity):
        if entity.kind == "enum":
            some = any(member.doc for member in entity.members)
            missing = [member for member in entity.members if some and not member.doc]
        else:
            told = {member.name for member in entity.members if member.doc} | set(self.required_of(entity)) | STANDARD
            missing = [member for member in entity.members if member.kind == "function" and member.name not in told]
        return [f"{entity.header}:{member.line}: {entity.qualified}::{member.name} is not documented" for member in missing]

    # --- pages ---

    def pages(self):
        """Path below the output directory -> Markdown."""
        pages = {self.paths[name]: self.entity_page(name) for name in self.names}
        pages |= {header_path(header.name): self.header_page(header) for header in self.headers}
        pages["index.md"] = self.index_page()
        return pages

    def link(self, name, here, text=None):
        return f"[{text or '`' + name.split('::')[-1] + '`'}]({relative(self.paths[name], here)})"

    def resolve(self, word, scope):
        """The qualified name that a word in a comment means, or None."""
        word = word.removesuffix("()")
        for candidate in (word, f"{scope}::{word}", f"genie::{word}", f"genie::testing::{word}"):
            if candidate in self.names:
                return candidate
        return None

    @functools.cache
    def local_words(self, own):
        """What has another meaning where an entity is described: its parameters and members."""
        words = set()
        for entity in self.names.get(own, ()):
            for text in (entity.text, *(member.text for member in entity.members)):
                words |= set(re.findall(r"\b[a-z]\w*\b", text))
        return words

    @functools.cache
    def described_members(self, own):
        """Member functions that have a heading of their own, by which they can be linked to."""
        entities = self.names.get(own, ())
        return {m.name for e in entities for m in e.members if m.kind == "function" and m.doc and m.name.islower()}

    def prose(self, doc, here, scope, own=""):
        """A comment as Markdown, its names as links."""

        local = self.local_words(own)
        members = self.described_members(own)

        def named(match):
            target = self.resolve(match[1], scope)
            if match[1] in members and here == self.paths.get(own):
                return f"[{match[0]}](#{match[1]})"
            if target is None or target == own or match[1] in local:
                return match[0]
            return self.link(target, here, match[0])

        blocks, is_code = [], False
        doc = re.sub(rf"(?<=[.)`]) (?=(?:{LABELS}): )", "\n", doc)
        for line in doc.split("\n"):
            if re.match(r"  +\S", line):
                if not is_code:
                    blocks += ["", "```cpp"]
                is_code = True
                blocks.append(line[2:])
                continue
            if is_code:
                blocks += ["```", ""]
            is_code = False
            if line.startswith("|"):
                blocks.append(line)
                continue
            labelled = re.match(rf"({LABELS}): ", line)
            if labelled:
                blocks += ["", f"**{labelled[1]}:** {line[labelled.end() :]}"]
            elif re.match(r"[-*] ", line) and blocks and blocks[-1] and not re.match(r"[-*] ", blocks[-1]):
                blocks += ["", line]
            else:
                blocks.append(line)
        if is_code:
            blocks.append("```")
        pieces = re.split(r"(```.*?```)", "\n".join(blocks), flags=re.DOTALL)
        for at in range(0, len(pieces), 2):
            pieces[at] = re.sub(r"(?<!\[)`([A-Za-z_][\w:]*(?:\(\))?)`(?!\])", named, pieces[at])
        return "".join(pieces).strip()

    def entity_page(self, name):
        entities = self.names[name]
        first = entities[0]
        here = self.paths[name]
        out = [f"# {name.removeprefix('genie::')}", ""]
        kind = {"alias": "type", "variable": "constant", "declared": "class template"}.get(first.kind, first.kind)
        places = []
        for header in dict.fromkeys(entity.header for entity in entities):
            line = next(entity.line for entity in entities if entity.header == header)
            places.append(f"[`<{header}>`]({relative(header_path(header), here)}), [line {line}]({source_link(header, line, here)})")
        out += [f"[Reference]({relative('index.md', here)}) › *{kind}* {'`' + name + '`' if first.scope else ''} · {'; '.join(places)}", ""]
        undocumented = []
        for entity in entities:
            if entity.kind in ("function", "alias", "variable", "macro", "concept", "declared"):
                undocumented.append(entity.text)
                if entity.doc or entity is entities[-1]:
                    out += self.code("\n".join(undocumented)) if entity.kind != "concept" else []
                    out += [self.prose(entity.doc, here, entity.scope, name), ""]
                    if entity.kind == "concept":
                        out += ["## As the compiler sees it" if table_rows(entity.doc) else "", "", *self.code(entity.text)]
                    undocumented = []
            else:
                out += self.class_part(entity, here, name)
        if undocumented:
            out += self.code("\n".join(undocumented))
        if name in self.concepts:
            out += self.models_part(name, here)
        out += self.relations(name, entities, here)
        return tidy(out)

    @staticmethod
    def code(text):
        return ["```cpp", text, "```", ""]

    def class_part(self, entity, here, name):
        out = []
        body = [member.text for member in entity.members if member.kind != "enumerator"]
        values = [member.text for member in entity.members if member.kind == "enumerator"]
        inner = "".join(f"  {line}\n" if line else "\n" for text in body for line in text.split("\n"))
        inner += "".join(f"  {value},\n" for value in values)
        head = entity.text + (" {\n" + ("public:\n" if entity.kind == "class" and body else "") + inner + "};" if inner else " {};")
        if entity.is_specialisation:
            out += [f"## Specialisation `{' '.join(entity.text.split())}`", ""]
        out += [self.prose(entity.doc, here, entity.scope, name), ""]
        out += self.code(head)
        data = [member for member in entity.members if member.kind == "variable"]
        if values:
            out += ["| value | meaning |", "|---|---|"]
            for member in entity.members:
                out.append(f"| `{member.name}` | {self.cell(member.doc, here, entity)} |")
            out.append("")
        if any(member.doc for member in data):
            out += ["## Data", "", "| member | meaning |", "|---|---|"]
            for member in data:
                if member.doc:
                    out.append(f"| {cell_code(declared(member.text))} | {self.cell(member.doc, here, entity)} |")
            out.append("")
        required = self.required_of(entity)
        functions = [member for member in entity.members if member.kind in ("function", "operator", "constructor", "type", "using")]
        documented = [member for member in functions if member.doc or member.name in required]
        if documented:
            out += ["## Members", ""]
        group = []
        for at, member in enumerate(functions):
            follows = at + 1 < len(functions) and functions[at + 1].inherits_doc
            group.append(member)
            if follows:
                continue
            told = next((each for each in group if each.doc), None)
            if told or member.name in required:
                out += [f"### {member.name}", ""]
                out += self.code("\n".join(each.text for each in group))
                if told:
                    out += [self.prose(told.doc, here, entity.scope, name), ""]
                if member.name in required:
                    concept, row = required[member.name]
                    says = "" if told else f": {self.cell(row, here, entity)}"
                    out += [f"As {self.link(concept, here)} requires{says}.", ""]
            group = []
        return out + self.inherited_part(entity, here)

    def inherited_part(self, entity, here):
        """What it has of a base, and a requirements table speaks for."""
        by_concept = defaultdict(list)
        own = {member.name for member in entity.members}
        for name, (concept, _) in self.required_of(entity).items():
            if name not in own:
                by_concept[concept].append(f"`{name}`")
        out = []
        for concept, names in sorted(by_concept.items()):
            out += [f"**Inherited**, as {self.link(concept, here)} requires: {', '.join(sorted(names))}.", ""]
        return out

    def cell(self, doc, here, entity):
        return re.sub(r"\s*\n\s*", " ", self.prose(doc, here, entity.scope, entity.qualified)).replace("|", "\\|")

    def models_part(self, name, here):
        out = ["## Models", ""]
        for model in sorted(self.models_of(self.concepts[name])):
            also = [alias for alias, target in self.aliases.items() if f"genie::{target}" == model and alias.startswith("System")]
            also = f" ({self.link('genie::' + also[0], here)} where genie is compiled for that platform)" if also else ""
            text = self.names[model][0].doc
            out.append(f"- {self.link(model, here)}{also}: {first_sentence(self.prose(text, here, self.names[model][0].scope, model))}")
        return [*out, ""]

    def relations(self, name, entities, here):
        """What the declarations speak of, and who speaks of this one."""
        words = set()
        for entity in entities:
            for text in (entity.text, *(member.text for member in entity.members if not member.name == "operator")):
                words |= set(re.findall(r"\b[A-Za-z_]\w*\b", text))
        scope = entities[0].scope
        mentions = {self.resolve(word, scope) for word in words if word[0].isupper()} - {None, name}
        mentioned_by = set()
        if entities[0].kind in ("class", "struct", "enum", "alias", "concept"):
            pattern = re.compile(rf"\b{re.escape(entities[0].name)}\b")
            for other, declarations in self.names.items():
                if other != name and declarations[0].scope.startswith(scope):
                    if any(pattern.search(text) for each in declarations for text in (each.text, *(m.text for m in each.members))):
                        mentioned_by.add(other)
        out = []
        for header in self.headers:
            if name in header.formatters:
                out += ["", f"**Printed** by fmt, with [`<{header.name}>`]({relative(header_path(header.name), here)}).", ""]
        if mentions:
            out += ["", "**Uses:** " + ", ".join(self.link(each, here) for each in sorted(mentions)), ""]
        if mentioned_by:
            out += ["", "**Used by:** " + ", ".join(self.link(each, here) for each in sorted(mentioned_by)), ""]
        return out

    def header_page(self, header):
        here = header_path(header.name)
        out = [f"# {header.name}", "", *self.code(f"#include <{header.name}>"), self.prose(header.doc, here, "genie"), ""]
        own = dict.fromkeys(entity.qualified for entity in header.entities)
        own = [name for name in own if any(entity.header == header.name for entity in self.names[name])]
        if own:
            out += ["| name | what it is |", "|---|---|"]
            out += [self.summary_row(name, here) for name in own]
        if header.formatters:
            out += ["", "**Printed by fmt:** " + ", ".join(self.link(name, here) for name in header.formatters) + ".", ""]
        genie = [name for name in header.includes if name.startswith("genie/")]
        if genie:
            out += ["", "**Includes:** " + ", ".join(f"[`{name}`]({relative(header_path(name), here)})" for name in genie)]
        out += ["", f"[Source]({source_link(header.name, 1, here)})"]
        return tidy(out)

    def summary_row(self, name, here):
        entity = next((each for each in self.names[name] if each.doc), self.names[name][0])
        text = first_sentence(self.prose(entity.doc, here, entity.scope, name))
        if text.startswith("|"):
            text = "Named requirement."
        return f"| {self.link(name, here)} | {text.replace('|', chr(92) + '|')} |"

    def index_page(self):
        out = [
            "# Reference", "",
            "A page for each public name of genie, generated from the headers. Everything is in namespace `genie`, the tools for",
            "tests in `genie::testing`; an inline namespace inside carries the ABI version. Names in a namespace `…detail` are nobody's.",
            "", "Begin with " + self.link("genie::ServeGuard", "index.md") + ", and for start on demand with "
            + self.link("genie::ensure", "index.md") + ".", "",
            "**Named requirements:** " + ", ".join(self.link(name, "index.md") for name in self.concepts) + ".", "",
        ]
        by_group = defaultdict(list)
        for header in self.headers:
            group = next(title for title, _, pattern in GROUPS if re.match(pattern, header.name))
            by_group[group].append(header)
        descriptions = {title: text for title, text, _ in GROUPS}
        for title in ORDER:
            out += [f"## {title}", "", descriptions[title], ""]
            for header in sorted(by_group[title], key=lambda h: (ENTRY_POINTS.index(h.name) if h.name in ENTRY_POINTS else len(ENTRY_POINTS), h.name)):
                own = list(dict.fromkeys(entity.qualified for entity in header.entities))
                if not own:
                    continue
                out += [f"### [`{header.name}`]({header_path(header.name)})", ""]
                out += ["| name | what it is |", "|---|---|"]
                out += [self.summary_row(name, "index.md") for name in own]
                out.append("")
        return tidy(out)


def without_declarations(entities):
    """Without forward declarations, unless one is documented: then it is the primary template of specialisations."""
    defined = [entity for entity in entities if entity.kind != "declared" or entity.doc]
    return defined or entities[:1]


def tables(doc):
    """The requirements tables of a comment: each as name of the required member -> what it must do."""
    found = []
    for table in re.findall(r"(?:^\|.*(?:\n|$))+", doc, re.MULTILINE):
        if not re.match(r"\|\s*expression", table):
            continue
        found.append({})
        for line in table.strip().split("\n"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            for function, other in re.findall(r"`(?:\w+\.(\w+)\(.*?\)|\w+::(\w+))`", cells[0]):
                found[-1][function or other] = cells[-1]
    return found


def table_rows(doc):
    """What is required. Further tables are of what is asked for only where it is there."""
    return next(iter(tables(doc)), {})


def optional_rows(doc):
    return {name: row for table in tables(doc)[1:] for name, row in table.items()}


def required_members(concept):
    """Names of what a policy's concept asks of its model: functions, types and constants."""
    subject = re.search(r"template <typename (\w+)", concept.text)
    if not subject or "requires(" not in concept.text.replace("requires (", "requires("):
        return set()
    variable = re.search(rf"\b{subject[1]}& (\w+)", concept.text)
    if not variable:
        return set()
    text = concept.text
    return set(re.findall(rf"\b{variable[1]}\.(\w+)\(", text)) | set(re.findall(rf"\b{subject[1]}::(\w+)", text))


def declared(text):
    return re.sub(r"\s+", " ", text).rstrip(";")


def cell_code(text):
    fence = "``" if "`" in text else "`"
    return fence + text.replace("|", "\\|") + fence


def first_sentence(text):
    text = re.sub(r"\s*\n\s*", " ", text.split("\n\n")[0].split("\n|")[0]).strip()
    text = re.sub(r"^\*\*Returns:\*\* ", "Returns: ", text)
    found = re.match(r"(.*?[^.\s]\.)(?=\s+[A-Z`*\[]|$)", text)
    return found[1] if found else text


def header_path(name):
    return "headers/" + name.removeprefix("genie/").removesuffix(".hpp").replace("/", "-") + ".md"


def source_link(header, line, here):
    return "../" * (here.count("/") + 1) + f"source/include/{header}.md#__codelineno-0-{line}"


def relative(target, here):
    return "../" * here.count("/") + target


def tidy(lines):
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="look for undocumented names only")
    parser.add_argument("--tree", type=Path, default=ROOT / "include", help="where to read (default: include/)")
    parser.add_argument("--output", type=Path, help="where to write the pages")
    options = parser.parse_args()

    reference = Reference(headers.read_headers(options.tree))
    problems = reference.problems()
    print("\n".join(problems), end="\n" if problems else "")
    if options.output:
        for path, text in reference.pages().items():
            (options.output / path).parent.mkdir(parents=True, exist_ok=True)
            (options.output / path).write_text(text, encoding="utf-8")
    print(f"{len(reference.names)} public names in {len(reference.headers)} headers, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
