"""The frame of every picture, and its colours, light and dark."""

from collections.abc import Iterable
from html import escape

WIDTH = 880

STYLE = """
svg { --paper: #ffffff; --frame: #f6f8fa; --box: #ffffff; --line: #59636e; --text: #1f2328;
    --soft: #59636e; --pages: #ddf4ff; --core: #dafbe1; --edge: #d1d9e0; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --frame: #151b23; --box: #212830;
    --line: #9198a1; --text: #f0f6fc; --soft: #9198a1; --pages: #13304f; --core: #14351f;
    --edge: #3d444d; } }
text { font: 12px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
    fill: var(--text); }
.name { font-weight: 600; font-size: 13px; } .soft { fill: var(--soft); font-size: 10.5px; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.code { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: var(--soft); }
.out { paint-order: stroke; stroke: var(--paper); stroke-width: 5px; stroke-linejoin: round; }
.paper { fill: var(--paper); stroke: var(--edge); } .frame { fill: var(--frame);
    stroke: var(--edge); } .box { fill: var(--box); stroke: var(--line); }
.pages { fill: var(--pages); } .core { fill: var(--core); } .apart { stroke-dasharray: 4 3; }
.own { fill: var(--edge); stroke: var(--edge); }
.arrow { fill: none; stroke: var(--line); stroke-width: 1.3; marker-end: url(#head); }
.life { stroke: var(--edge); } .back { stroke-dasharray: 5 3; } .full { fill: var(--line); }
.head { fill: var(--line); }
"""


HEAD = """<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"
markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>"""


def svg(title: str, said: str, height: float, parts: Iterable[str], width: float = WIDTH) -> str:
    """A picture with its title, and a description for those who can't see it."""
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{title}</title><desc>{said}</desc>",
            f"<!-- made by `make drawing` --><style>{STYLE}</style>",
            HEAD,
            rect("paper", 0.5, 0.5, width - 1, height - 1, 8),
            *parts,
            "</svg>\n",
        ]
    )


def rect(  # noqa: PLR0917 - as SVG has it
    kind: str, x: float, y: float, width: float, height: float, radius: float = 0
) -> str:
    size = f'width="{width:g}" height="{height:g}"'
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" {size} rx="{radius:g}"/>'


def text(kind: str, x: float, y: float, said: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(said)}</text>'
