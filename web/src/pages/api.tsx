// The description of the API that the gateway itself serves, to read.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useGet } from "../api";
import { quote } from "../curl";
import { t } from "../i18n";
import { setQuery, useRoute } from "../router";
import { Card, Code, Empty, Failure, Select, Skeleton } from "../ui/kit";

interface Schema { type?: string | string[]; $ref?: string; properties?: Record<string, Schema>; required?: string[]; items?: Schema; additionalProperties?: Schema | boolean; enum?: unknown[]; description?: string; oneOf?: Schema[]; anyOf?: Schema[]; allOf?: Schema[] }
interface Content { [type: string]: { schema?: Schema } }
interface Parameter { name?: string; in?: string; required?: boolean; description?: string; schema?: Schema; $ref?: string }
interface Operation { tags?: string[]; operationId?: string; summary?: string; description?: string; parameters?: Parameter[]; requestBody?: { content?: Content }; responses?: Record<string, { description?: string; content?: Content }>; "x-scope"?: string }
interface Description { info: { title: string; version: string }; tags?: { name: string; description?: string }[]; paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, Schema>; parameters?: Record<string, Parameter> } }

interface Call { id: string; method: string; path: string; op: Operation }

const methods = ["get", "post", "put", "patch", "delete"];

export function Api() {
  const { query } = useRoute();
  const { data, error, reload } = useGet<Description>("/v1/admin/openapi.json");
  const tag = query.get("tag") ?? "", q = (query.get("q") ?? "").toLowerCase(), open = query.get("id") ?? "";
  const calls = useMemo(() => Object.entries(data?.paths ?? {}).flatMap(([path, item]) => methods.flatMap((method): Call[] => {
    const op = item[method];
    return op ? [{ id: op.operationId ?? method + path, method: method.toUpperCase(), path, op }] : [];
  })), [data]);
  const tags = [...new Set(calls.flatMap((c) => c.op.tags ?? []))];
  const shown = calls.filter((c) => (!tag || c.op.tags?.includes(tag)) && (!q || `${c.method} ${c.path} ${c.op.summary ?? ""} ${c.id}`.toLowerCase().includes(q)));
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.api")}</h1>
        <Select bare name={t("api.part")} value={tag} options={[["", t("api.all")], ...tags.map((x): [string, string] => [x, x])]} onChange={(v) => setQuery({ tag: v })} />
        <input data-filter class="input search" type="search" placeholder={t("api.find")} aria-label={t("api.find")} value={query.get("q") ?? ""} onInput={(e) => setQuery({ q: e.currentTarget.value })} />
        <a class="btn" href="/v1/admin/openapi.yaml" download="openapi.yaml">OpenAPI</a>
      </div>
      {error && <Failure error={error} retry={reload} />}
      {!data && !error && <Skeleton lines={10} />}
      {data && shown.length === 0 && <Empty text={t("api.empty")} />}
      {data && tags.map((name) => {
        const part = shown.filter((c) => c.op.tags?.[0] === name);
        return part.length > 0 && (
          <Card key={name} title={name} flush>
            <ul class="calls">{part.map((c) => <li key={c.id}>
              <button type="button" class="call" aria-expanded={open === c.id} onClick={() => setQuery({ id: open === c.id ? "" : c.id })}>
                <span class={"method mono " + c.method.toLowerCase()}>{c.method}</span><span class="mono clip">{c.path}</span><span class="muted clip grow only-wide">{c.op.summary}</span>{c.op["x-scope"] && <span class="chip small">{c.op["x-scope"]}</span>}
              </button>
              {open === c.id && <Told call={c} all={data} />}
            </li>)}</ul>
          </Card>
        );
      })}
    </>
  );
}

function Told({ call, all }: { call: Call; all: Description }) {
  const { op } = call;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.closest("li")?.scrollIntoView(), []); // an address may name a call far down
  const parameters = (op.parameters ?? []).map((p) => (p.$ref ? (all.components.parameters?.[p.$ref.split("/").at(-1) ?? ""] ?? p) : p));
  const body = op.requestBody?.content?.["application/json"]?.schema;
  const answers = Object.entries(op.responses ?? {}).filter(([status]) => status.startsWith("2"));
  return (
    <div class="pad-cell" ref={box}>
      {op.description && <p>{op.description}</p>}
      <Code text={example(call, body, all)} label="curl" />
      {parameters.length > 0 && <Members title={t("api.parameters")} list={parameters.map((p) => ({ name: p.name ?? "", type: kindOf(p.schema), required: p.required === true, text: p.description ?? "" }))} />}
      {body && <Members title={t("api.body")} list={membersOf(body, all)} />}
      {answers.map(([status, a]) => {
        const schema = a.content?.["application/json"]?.schema;
        const list = schema ? membersOf(schema, all) : [];
        return list.length > 0 ? <Members key={status} title={t("api.answer", { status })} list={list} /> : <p key={status} class="small muted">{t("api.answer", { status })} · {Object.keys(a.content ?? {}).join(", ") || a.description}</p>;
      })}
    </div>
  );
}

interface Member { name: string; type: string; required: boolean; text: string }

function Members({ title, list }: { title: string; list: Member[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={title}>
      <table>
        <thead><tr><th scope="col">{title}</th><th scope="col">{t("api.type")}</th><th scope="col" class="only-wide">{t("api.meaning")}</th></tr></thead>
        <tbody>{list.map((m) => <tr key={m.name}><td class="mono">{m.name}{m.required && <span class="bad" title={t("api.required")}> *</span>}</td><td class="mono small">{m.type}</td><td class="only-wide small">{m.text}</td></tr>)}</tbody>
      </table>
    </div>
  );
}

const nameOf = (ref: string): string => ref.split("/").at(-1) ?? ref;

/** resolve follows references, and takes the parts of a whole together; depth bounds circles. */
export function resolve(s: Schema, all: Pick<Description, "components">, depth = 0): Schema {
  if (depth > 8) return s;
  if (s.$ref) return resolve(all.components.schemas[nameOf(s.$ref)] ?? {}, all, depth + 1);
  if (s.allOf) {
    const parts = s.allOf.map((x) => resolve(x, all, depth + 1));
    return { type: "object", properties: Object.assign({}, ...parts.map((x) => x.properties ?? {}), s.properties ?? {}) as Record<string, Schema>, required: [...parts.flatMap((x) => x.required ?? []), ...(s.required ?? [])] };
  }
  return s;
}

/** kindOf writes a type as people do: string, integer[], ApiKey. */
export function kindOf(s: Schema | undefined): string {
  if (!s) return "";
  if (s.$ref) return nameOf(s.$ref);
  if (s.enum) return s.enum.map((v) => JSON.stringify(v)).join(" | ");
  const options = s.oneOf ?? s.anyOf;
  if (options) return options.map(kindOf).join(" | ");
  if (s.allOf) return s.allOf.map(kindOf).join(" & ");
  const types = Array.isArray(s.type) ? s.type : [s.type ?? "object"];
  return types.map((x) => (x === "array" ? kindOf(s.items) + "[]" : x === "object" && typeof s.additionalProperties === "object" ? `{name: ${kindOf(s.additionalProperties)}}` : x)).join(" | ");
}

function membersOf(schema: Schema, all: Description): Member[] {
  const s = resolve(schema, all);
  return Object.entries(s.properties ?? {}).map(([name, v]) => ({ name, type: kindOf(v), required: s.required?.includes(name) ?? false, text: v.description ?? "" }));
}

/** example is a command that makes the call, with what it must have. */
function example(c: Call, body: Schema | undefined, all: Description): string {
  const lines = [`curl -s ${c.method === "GET" ? "" : "-X " + c.method + " "}${quote(location.origin + c.path)}`];
  if (c.op["x-scope"] !== "public") lines.push(`-H "Authorization: Bearer $AI_GATEWAY_API_KEY"`);
  if (body) {
    const s = resolve(body, all);
    const must = Object.fromEntries((s.required ?? []).map((name) => [name, sample(s.properties?.[name], all)]));
    lines.push(`-H 'Content-Type: application/json'`, `-d ${quote(JSON.stringify(must))}`);
  }
  return lines.join(" \\\n  ");
}

function sample(v: Schema | undefined, all: Description): unknown {
  const s = v ? resolve(v, all) : {};
  if (s.enum) return s.enum[0];
  switch (Array.isArray(s.type) ? s.type[0] : s.type) {
    case "string": return "…";
    case "integer": case "number": return 1;
    case "boolean": return true;
    case "array": return [];
  }
  return {};
}
