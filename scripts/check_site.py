"""Refuse a built site with a dead internal link, or a page that loads something from elsewhere.

Every `href` and `src` within the site has to lead to a file, and to an element of it where it names
one. What a browser loads by itself (scripts, styles, fonts, pictures, frames) has to lie in the
site; links that somebody may follow to other sites may not be told from here, and are left alone.
Prints one line per fault and ends with 1 if there is any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
    "audio": "src", "embed": "src", "object": "data", "link": "href", "image": "href",
}  # fmt: skip
# Relations of `link` that only say where something is.
SAID = {"index", "search", "next", "prev", "canonical", "author", "copyright", "up", "top"}
IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


class Page(HTMLParser):
    """Elements with a name, links, and what is loaded, of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of one element."""
        found = {key: value for key, value in attrs if value is not None}
        self.names.update(found[key] for key in ("id", "name") if key in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        where = LOADED.get(tag)
        relations = set(found.get("rel", "").split())
        if where in found and not (tag == "link" and relations and relations <= SAID):
            self.loaded.append(found[where])
            self.links.append(found[where])


def is_elsewhere(address: str) -> bool:
    """Whether an address leads out of the site."""
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)


def faults(site: Path) -> Iterator[str]:
    """Yield a sentence for each dead link, and for each thing that is loaded from elsewhere."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}
    pages = {path: Page(text) for path, text in texts.items()}
    for path, page in pages.items():
        where = path.relative_to(site).as_posix()
        for address in page.loaded:
            if is_elsewhere(address) and not address.startswith("data:"):
                yield f"{where}: loads {address}"
        for address in IN_STYLES.findall(texts[path]):
            yield f"{where}: loads {address}"
        for address in page.links:
            if is_elsewhere(address):
                continue
            parts = urlsplit(address)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{where}: {address} leads nowhere"
            elif target in pages and unquote(parts.fragment) not in {"", *pages[target].names}:
                yield f"{where}: {address}: no such place on that page"
    for path in sorted(site.rglob("*.css")):
        for address in IN_STYLES.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site).as_posix()}: loads {address}"


def main(site: Path) -> int:
    """Print the faults; return 1 if there are any, else 0."""
    if not (site / "index.html").is_file():
        print(f"{site}: no site there, run `make docs`")
        return 1
    found = sorted(set(faults(site.resolve())))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
