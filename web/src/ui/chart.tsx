// Charts: uPlot with the look of the page. All charts of a page share one crosshair.
import uPlot from "uplot";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { axisTime, minute } from "../format";
import { colour, onTheme } from "../theme";

export interface Line {
  name: string;
  values: (number | null)[];
  colour: string; // of the theme: "s0", "bad"
}

interface Props {
  times: number[]; // starts of the buckets, in seconds
  lines: Line[]; // the largest or most important first
  kind: "stack" | "lines";
  show: (v: number | null | undefined) => string;
  label: string;
  height?: number;
  onRange?: (since: number, until: number) => void;
  running?: boolean; // the last bucket has not ended
}

const cross = uPlot.sync("page");

/** sums stacks lines: each becomes the sum of itself and those before it. */
export function sums(lines: Line[]): (number | null)[][] {
  const out: (number | null)[][] = [];
  lines.forEach((l, i) => {
    const below = out[i - 1];
    out.push(l.values.map((v, x) => (v ?? 0) + (below?.[x] ?? 0)));
  });
  return out;
}

/** alone picks the points that no line reaches: those without a neighbour. */
function alone(u: uPlot, series: number): number[] {
  const ys = u.data[series] ?? [];
  const has = (i: number) => ys[i] !== null && ys[i] !== undefined;
  return Array.from(ys, (_, i) => i).filter((i) => has(i) && !has(i - 1) && !has(i + 1));
}

export function Chart(all: Props) {
  // What is nothing throughout says nothing, in the legend neither.
  const lines = useMemo(() => (all.kind === "stack" ? all.lines.filter((l) => l.values.some((v) => v)) : all.lines), [all.lines, all.kind]);
  const p = { ...all, lines };
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [look, relook] = useState(0);
  const latest = useRef(p);
  latest.current = p;
  const data = useMemo<uPlot.AlignedData>(() => {
    const ys = p.kind === "stack" ? sums(p.lines).reverse() : p.lines.map((l) => l.values);
    return [p.times, ...ys] as uPlot.AlignedData;
  }, [p.times, p.lines, p.kind]);
  const shape = p.kind + p.lines.map((l) => l.name + l.colour).join("|") + p.times.length + (p.running ? "r" : "");

  useEffect(() => onTheme(() => relook((n) => n + 1)), []);
  useEffect(() => {
    const el = box.current;
    if (!el || p.times.length < 2) return;
    const muted = colour("muted"), grid = colour("line"), bg = colour("bg");
    const drawn = p.kind === "stack" ? [...p.lines].reverse() : p.lines;
    const bars = p.kind === "stack" ? uPlot.paths.bars?.({ size: [0.82, 40], radius: 0 }) : undefined;
    const step = (p.times[1] ?? 0) - (p.times[0] ?? 0);
    const plot = new uPlot(
      {
        width: Math.max(200, el.clientWidth), height: p.height ?? 200, padding: [8, 18, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: cross.key, setSeries: false }, y: false, points: { show: p.kind === "lines", size: 7 }, drag: { x: p.onRange !== undefined, y: false, setScale: false } },
        scales: { x: { time: true, range: (_u, min, max) => [min - step / 2, max + step / 2] }, y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
        axes: [
          { stroke: muted, font: "11px system-ui", grid: { show: false }, ticks: { show: false }, size: 24, space: 64, values: (_u, vs) => vs.map((v) => axisTime(v * 1000, step >= 86_400)) },
          { stroke: muted, font: "11px system-ui", grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 66, space: 36, values: (_u, vs) => vs.map((v) => latest.current.show(v)) },
        ],
        series: [
          {},
          ...drawn.map((l): uPlot.Series => {
            const c = colour(l.colour);
            return p.kind === "stack"
              ? { fill: c, stroke: bg, width: 0, points: { show: false }, paths: bars }
              : { stroke: c, fill: p.lines.length < 3 || l === p.lines[0] ? c + "1f" : undefined, width: 1.6, spanGaps: false, points: { show: true, size: 5, width: 0, fill: c, filter: alone } };
          }),
        ],
        hooks: {
          setCursor: [(u) => setAt(u.cursor.idx ?? null)],
          setSelect: [(u) => {
            const { left, width } = u.select;
            if (width > 4) latest.current.onRange?.(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          }],
          draw: [(u) => {
            if (!latest.current.running || latest.current.kind !== "stack") return;
            const last = latest.current.times.at(-1);
            if (last === undefined) return;
            hatch(u, last - step / 2, last + step / 2, bg);
          }],
        },
      },
      data, el,
    );
    cross.sub(plot);
    const resize = new ResizeObserver(() => { if (el.clientWidth > 0) plot.setSize({ width: el.clientWidth, height: p.height ?? 200 }); });
    resize.observe(el);
    plots.set(el, plot);
    return () => {
      resize.disconnect();
      cross.unsub(plot);
      plots.delete(el);
      plot.destroy();
    };
  }, [shape, look]);
  useEffect(() => { if (box.current) plots.get(box.current)?.setData(data); }, [data]);

  const x = at !== null && at < p.times.length ? at : null;
  return (
    <figure class="chart">
      <div class="legend">
        {p.lines.map((l) => <span key={l.name} title={l.name}><i class={"sw" + l.colour.replace(/^s(?=\d)/, "")} /><span class="clip">{l.name}</span>{x !== null && <b>{p.show(l.values[x])}</b>}</span>)}
        {x !== null && <span class="at">{minute((p.times[x] ?? 0) * 1000)}</span>}
      </div>
      <div ref={box} role="img" aria-label={p.label} />
    </figure>
  );
}

const plots = new WeakMap<Element, uPlot>();

/** hatch draws over the bucket that still runs. */
function hatch(u: uPlot, from: number, to: number, ink: string): void {
  const { ctx, bbox } = u;
  const a = Math.max(bbox.left, u.valToPos(from, "x", true)), b = Math.min(bbox.left + bbox.width, u.valToPos(to, "x", true));
  if (b <= a) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(a, bbox.top, b - a, bbox.height);
  ctx.clip();
  ctx.strokeStyle = ink;
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  for (let x = a - bbox.height; x < b; x += 7 * devicePixelRatio) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** Spark is a small line without axes. */
export function Spark(p: { values: (number | null)[]; bad?: (number | null)[]; label: string }) {
  const n = p.values.length;
  if (n < 2) return <svg class="spark" role="img" aria-label={p.label} />;
  const top = Math.max(1e-12, ...p.values.map((v) => v ?? 0));
  const at = (vs: (number | null)[]) => vs.map((v, i) => `${((i / (n - 1)) * 100).toFixed(2)} ${(34 - ((v ?? 0) / top) * 31).toFixed(2)}`);
  const points = at(p.values);
  return (
    <svg class="spark" viewBox="0 0 100 36" preserveAspectRatio="none" role="img" aria-label={p.label}>
      <path d={`M0 35L${points.join("L")}L100 35Z`} fill="var(--s0)" opacity="0.12" />
      <path d={"M" + points.join("L")} fill="none" stroke="var(--s0)" stroke-width="1.5" />
      {p.bad?.some((v) => v) && <path d={"M" + at(p.bad).join("L")} fill="none" stroke="var(--bad)" stroke-width="1.5" />}
    </svg>
  );
}
