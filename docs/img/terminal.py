"""Records the terminal interface that runs in a tmux session: pictures and a recording.

Usage: terminal.py SOCKET FOLDER. Writes tui-live.svg and tui-usage.svg (screens),
tui.cast (asciinema v2) and tui.svg (the same frames, moving). docs/img/make runs it.
"""

import html
import json
import re
import subprocess
import sys
import time
import unicodedata

SOCKET, FOLDER = sys.argv[1:]
COLUMNS, ROWS = 110, 30
CELL, LINE, SIZE, PAD = 7.83, 17, 13, 12  # pixels; CELL is a glyph's width at SIZE in the fonts below
FONTS = "ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,'Noto Sans Mono CJK SC',monospace"
BACKGROUND, TEXT = "#0e1116", "#e6eaf0"
BASIC = "#0e1116 #ff7b72 #3ecf9a #e3b341 #8c9bff #cc79a7 #56b4e9 #e6eaf0 #5b6472 #ff7b72 #3ecf9a #e3b341 #8c9bff #cc79a7 #56b4e9 #ffffff".split()


def tmux(*args: str) -> str:
    return subprocess.run(["tmux", "-u", "-S", SOCKET, *args], check=True, capture_output=True, text=True).stdout


def palette(n: int) -> str:
    """The colour of a number of the 256 that xterm has."""
    if n < 16:
        return BASIC[n]
    if n >= 232:
        return "#" + f"{8 + (n - 232) * 10:02x}" * 3
    n -= 16
    return "#" + "".join(f"{55 + 40 * level if level else 0:02x}" for level in (n // 36, n // 6 % 6, n % 6))


def style(state: dict, codes: str) -> None:
    """Applies the numbers of one SGR sequence."""
    numbers = [int(n or 0) for n in codes.split(";")]
    while numbers:
        n = numbers.pop(0)
        if n == 0:
            state.clear()
        elif n in (1, 2, 3, 4, 7):
            state[n] = True
        elif n in (22, 23, 24, 27):
            for off in {22: (1, 2), 23: (3,), 24: (4,), 27: (7,)}[n]:
                state.pop(off, None)
        elif n in (38, 48):
            kind = numbers.pop(0)
            state[n] = palette(numbers.pop(0)) if kind == 5 else "#" + "".join(f"{numbers.pop(0):02x}" for _ in range(3))
        elif 30 <= n <= 37 or 90 <= n <= 97:
            state[38] = BASIC[n - 30 if n < 40 else n - 82]
        elif 40 <= n <= 47 or 100 <= n <= 107:
            state[48] = BASIC[n - 40 if n < 50 else n - 92]
        elif n in (39, 49):
            state.pop(n - 1, None)


def width(c: str) -> int:
    if unicodedata.combining(c):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def runs(line: str):
    """The pieces of one look in a line, each with its first column and its width in cells."""
    state: dict = {}
    column = 0
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b["):
            style(state, part[2:-1])
            continue
        for piece in re.findall(r" +|[▁-▏]+|[^ ▁-▏]+", part):
            cells = sum(map(width, piece))
            if cells and (piece.strip() or 48 in state or 7 in state):
                yield column, cells, piece, dict(state)
            column += cells


def draw(line: str) -> str:
    """One line of a screen as SVG, its top at 0."""
    out = []
    for column, cells, text, look in runs(line):
        fore, back = look.get(38, TEXT), look.get(48)
        if 7 in look:
            fore, back = back or BACKGROUND, fore
        x, w = PAD + column * CELL, cells * CELL
        if back:
            out.append(f'<rect x="{x:.1f}" width="{w:.1f}" height="{LINE}" fill="{back}"/>')
        if "▁" <= text[0] <= "▏":  # blocks are drawn: glyphs of a font leave gaps between lines
            for i, c in enumerate(text):
                low, left = (ord(c) - 0x2580, 8) if c <= "█" else (8, 0x2590 - ord(c))
                out.append(f'<rect x="{x + i * CELL:.1f}" y="{LINE * (8 - low) / 8:.1f}" width="{CELL * left / 8 + (left == 8) * 0.1:.1f}" height="{LINE * low / 8 + (low == 8) * 0.2:.1f}" fill="{fore}"/>')
        elif text.strip():
            extra = (' font-weight="bold"' if 1 in look else "") + (' opacity=".65"' if 2 in look else "")
            out.append(f'<text x="{x:.1f}" y="13" textLength="{w:.1f}" lengthAdjust="spacingAndGlyphs" fill="{fore}"{extra} xml:space="preserve">{html.escape(text)}</text>')
    return "".join(out)


def svg(body: str, head: str = "") -> str:
    w, h = COLUMNS * CELL + 2 * PAD, ROWS * LINE + 2 * PAD
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}" font-family="{FONTS}" font-size="{SIZE}" shape-rendering="crispEdges">{head}'
        f'<rect width="100%" height="100%" rx="10" fill="{BACKGROUND}" shape-rendering="auto"/>{body}</svg>\n'
    )


def screen(text: str) -> str:
    return "".join(f'<g transform="translate(0 {PAD + i * LINE})">{d}</g>' for i, line in enumerate(text.split("\n")[:ROWS]) if (d := draw(line)))


def moving(frames: list) -> str:
    """All frames as one SVG that shows each for its time; equal lines are drawn once."""
    names: dict = {}
    groups, rules = [], []
    total = frames[-1][0] + 2
    ends = [at for at, _ in frames[1:]] + [total]
    for n, ((start, text), end) in enumerate(zip(frames, ends)):
        lines = []
        for i, line in enumerate(text.split("\n")[:ROWS]):
            if drawn := draw(line):
                name = names.setdefault(drawn, f"l{len(names)}")
                lines.append(f'<use href="#{name}" y="{PAD + i * LINE}"/>')
        groups.append(f'<g class="f" style="animation-name:k{n}">{"".join(lines)}</g>')
        a, b = 100 * start / total, 100 * end / total
        rules.append(f"@keyframes k{n}{{0%{{opacity:{int(n == 0)}}}{a:.3f}%{{opacity:1}}{b:.3f}%,100%{{opacity:0}}}}")
    defs = "".join(f'<g id="{name}">{drawn}</g>' for drawn, name in names.items())
    still = "@media(prefers-reduced-motion){.f{animation:none!important}.f:last-of-type{opacity:1}}"
    css = f"<style>.f{{opacity:0;animation:{total:.1f}s step-end infinite}}{''.join(rules)}{still}</style>"
    return svg("".join(groups), f"<defs>{defs}</defs>{css}")


def write(name: str, text: str) -> None:
    with open(f"{FOLDER}/{name}", "w", encoding="utf-8") as f:
        f.write(text)


frames: list = []
began = time.monotonic()


def capture() -> str:
    return tmux("capture-pane", "-e", "-p").rstrip("\n")


def watch(seconds: float, step: float = 0.5) -> None:
    """Keeps what the screen shows for some seconds, a frame whenever it changed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = capture()
        if not frames or frames[-1][1] != text:
            frames.append((round(time.monotonic() - began, 2), text))
        time.sleep(step)


def press(*keys: str) -> None:
    for key in keys:
        tmux("send-keys", key)
        time.sleep(0.12)


time.sleep(3)
press("5")
time.sleep(4)
write("tui-live.svg", svg(screen(capture())))
began = time.monotonic()
watch(5)
press("Space", *["j"] * 12)  # down to one that has ended: its waterfall is whole
watch(1, 1)
press("Enter")
watch(4, 1)
press("Escape", "Space", "2")
watch(3, 1)
write("tui-usage.svg", svg(screen(capture())))
press("3")
watch(2.5, 1)
press("7")
watch(2.5, 1)
press("5")
watch(2)
write("tui.svg", moving(frames))
write("tui.cast", "\n".join(
    [json.dumps({"version": 2, "width": COLUMNS, "height": ROWS, "title": "ai-gateway tui", "env": {"TERM": "xterm-256color"}})]
    + [json.dumps([at, "o", "\x1b[H\x1b[2J" + text.replace("\n", "\r\n")], ensure_ascii=False) for at, text in frames]
) + "\n")
