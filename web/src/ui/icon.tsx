const paths: Record<string, string> = {
  overview: "M3 13h4l3-8 4 14 3-6h4",
  usage: "M4 20V10m6 10V4m6 16v-7m4 7H2",
  requests: "M4 6h16M4 12h16M4 18h10",
  playground: "M4 5h16v11H9l-5 4z",
  providers: "M12 3v6m-7 12v-4a3 3 0 0 1 3-3h8a3 3 0 0 1 3 3v4M9 3h6v6H9z",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  keys: "M15 9a4 4 0 1 0-3.9 4L12 14h2v2h2v2h4v-3l-5.2-5.2M8 8h.01",
  quotas: "M4 18a8 8 0 1 1 16 0M12 18l4-6",
  audit: "M6 3h9l4 4v14H6zM9 12h7M9 16h7M9 8h3",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15 5v4M8 15v4",
  api: "M8 6l-6 6 6 6m8-12 6 6-6 6M14 4l-4 16",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zm5-2 5 5",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.4 1.4m11.2 11.2L19 19M19 5l-1.4 1.4M6.4 17.6 5 19",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  auto: "M12 3a9 9 0 1 0 0 18zm0 0a9 9 0 0 1 0 18",
  language: "M3 5h10M8 3v2m3 0c-1 5-4 8-8 9m2-6c1 3 3 5 6 6m2 7 5-11 5 11m-8.3-4h6.6",
  out: "M10 4H5v16h5m4-12 4 4-4 4m4-4H9",
  plus: "M12 5v14M5 12h14", close: "M6 6l12 12M18 6 6 18", check: "M5 12.5l4.5 4.5L19 7", copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  alert: "M12 4 2.5 20h19zM12 10v4m0 3v.01", pause: "M8 5v14M16 5v14", play: "M7 4l13 8-13 8z", refresh: "M20 11A8 8 0 0 0 5.7 7M4 4v4h4m-4 5a8 8 0 0 0 14.3 4M20 20v-4h-4",
  edit: "M4 20h4L20 8l-4-4L4 16zM13 7l4 4", trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", rotate: "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2m0 5v-5h5",
  menu: "M4 6h16M4 12h16M4 18h16", download: "M12 4v11m-5-5 5 5 5-5M4 20h16", left: "M14 6l-6 6 6 6", right: "M10 6l6 6-6 6", send: "M4 12h14m-6-6 6 6-6 6", stop: "M7 7h10v10H7z", image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M9 9h.01",
};

export const Icon = (p: { name: string; size?: number }) => (
  <svg width={p.size ?? 16} height={p.size ?? 16} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d={paths[p.name] ?? ""} /></svg>
);
