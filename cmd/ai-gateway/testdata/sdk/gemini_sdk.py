"""Google's Python SDK against the gateway."""

from google import genai
from google.genai import errors, types

from report import *

client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=GATEWAY, timeout=20_000))
TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="get_weather", description="The weather", parameters_json_schema=WEATHER),
            types.FunctionDeclaration(name="get_time", description="The time"),
        ]
    )
]
BY_HAND = types.AutomaticFunctionCallingConfig(disable=True)


def config(**more):
    return types.GenerateContentConfig(system_instruction="Be brief.", automatic_function_calling=BY_HAND, **more)


def ask(contents, model=MODEL, **more):
    return client.models.generate_content(model=model, contents=contents, config=config(**more))


def ask_streamed(contents, model=MODEL, **more):
    """Gathers the stream into one answer."""
    parts, last = [], None
    for last in client.models.generate_content_stream(model=model, contents=contents, config=config(**more)):
        if last.candidates and last.candidates[0].content:
            parts += [p for p in last.candidates[0].content.parts or [] if p.text or p.function_call or p.thought_signature]
    last.candidates[0].content = types.Content(role="model", parts=parts)
    return last


def text_of(r):
    return "".join(p.text for p in r.candidates[0].content.parts if p.text and not p.thought)


def check_usage(r):
    u = r.usage_metadata
    equal((u.prompt_token_count, u.cached_content_token_count, u.candidates_token_count + (u.thoughts_token_count or 0)), (20, 5, 10))


def user(*parts):
    return types.Content(role="user", parts=list(parts))


def loop(send, text, rounds, calls):
    """Runs a tool loop until the model answers."""
    contents = [user(types.Part(text=text))]
    for _ in range(rounds):
        r = send(contents, tools=TOOLS)
        check_usage(r)
        equal(r.candidates[0].finish_reason, types.FinishReason.STOP)
        used = [p.function_call for p in r.candidates[0].content.parts if p.function_call]
        equal(len(used), calls)
        contents += [
            r.candidates[0].content,
            user(*[types.Part(function_response=types.FunctionResponse(id=c.id, name=c.name, response={"result": use(c.name, c.args)})) for c in used]),
        ]
    return text_of(send(contents, tools=TOOLS))


@scenario
def chat():
    r = ask("Hello")
    equal(text_of(r), GREETING % (1, "Hello"))
    equal(r.candidates[0].finish_reason, types.FinishReason.STOP)
    check_usage(r)


@scenario
def history():
    r = ask([user(types.Part(text="One")), types.Content(role="model", parts=[types.Part(text="Two")]), user(types.Part(text="Drei ✓"))])
    equal(text_of(r), GREETING % (3, "Drei ✓"))


@scenario
def stream():
    r = ask_streamed("Hello")
    equal(text_of(r), GREETING % (1, "Hello"))
    check_usage(r)


@scenario
async def async_stream():
    text = ""
    async for c in await client.aio.models.generate_content_stream(model=MODEL, contents="Hello", config=config()):
        text += c.text or ""
    equal(text, GREETING % (1, "Hello"))


@scenario
def length():
    r = ask("#long", max_output_tokens=7)
    equal((text_of(r), r.candidates[0].finish_reason), ("Cut at 7", types.FinishReason.MAX_TOKENS))


@scenario
def image():
    import base64

    equal(text_of(ask([user(types.Part(inline_data=types.Blob(mime_type="image/png", data=base64.b64decode(PNG))), types.Part(text="#image"))])), SAW)


@scenario
def structured():
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "celsius": {"type": "integer"}}, "required": ["city", "celsius"], "additionalProperties": False}
    equal(json.loads(text_of(ask("#json", response_mime_type="application/json", response_json_schema=schema))), {"city": "Zürich", "celsius": 21})


@scenario
def tool_loop():
    equal(loop(ask, "#weather", 1, 1), ZURICH)


@scenario
def tool_loop_streamed():
    equal(loop(ask_streamed, "#weather", 1, 1), ZURICH)


@scenario
def parallel_tools():
    equal(loop(ask, "#parallel", 1, 2), BOTH)


@scenario
def parallel_tools_streamed():
    equal(loop(ask_streamed, "#parallel", 1, 2), BOTH)


@scenario
def no_arguments():
    equal(loop(ask_streamed, "#noargs", 1, 1), CLOCK)


@scenario
def two_steps():
    equal(loop(ask, "#steps", 2, 1), STEPS)


@scenario
def automatic_tools():
    """The SDK runs the tools itself."""

    def get_weather(city: str, days: int) -> str:
        """The weather"""
        return use("get_weather", {"city": city, "days": days})

    r = client.models.generate_content(model=MODEL, contents="#weather", config=types.GenerateContentConfig(tools=[get_weather]))
    equal(text_of(r), ZURICH)


@scenario
def tool_choice():
    def chosen(mode, **more):
        calling = types.FunctionCallingConfig(mode=mode, **more)
        return text_of(ask("#choice", tools=TOOLS, tool_config=types.ToolConfig(function_calling_config=calling)))

    equal(chosen("AUTO"), "choice=auto serial=false")
    equal(chosen("NONE"), "choice=none serial=false")
    equal(chosen("ANY"), "choice=required serial=false")
    equal(chosen("ANY", allowed_function_names=["get_time"]), "choice=get_time serial=false")


@scenario
def models():
    names = [m.name for m in client.models.list(config={"page_size": 2})]
    assert "models/" + MODEL in names, names
    equal(client.models.get(model=MODEL).name, "models/" + MODEL)


@scenario
def count_tokens():
    n = client.models.count_tokens(model=MODEL, contents="Hello").total_tokens
    assert n == 42 if FORMAT == "gemini" else n >= 2, n


@scenario
def other_model():
    equal(text_of(ask("Hello", model=OTHER)), GREETING % (1, "Hello"))


@scenario
def wrong_key():
    wrong = genai.Client(api_key="sk-gw-wrong", http_options=types.HttpOptions(base_url=GATEWAY))
    with Raised(errors.ClientError) as r:
        wrong.models.generate_content(model=MODEL, contents="Hello")
    equal((r.error.code, r.error.status), (401, "UNAUTHENTICATED"))


@scenario
def unknown_model():
    with Raised(errors.ClientError) as r:
        ask("Hello", model="no-such-model")
    equal((r.error.code, r.error.status), (404, "NOT_FOUND"))


@scenario
def rate_limited():
    with Raised(errors.ClientError) as r:
        ask("Hello", model=LIMITED)
    equal((r.error.code, r.error.status), (429, "RESOURCE_EXHAUSTED"))


@scenario
def mid_stream_error():
    with Raised(errors.APIError):
        ask_streamed("Hello", model=BROKEN)


@scenario
def lost_connection():
    with Raised(errors.APIError):
        ask_streamed("Hello", model=CUT)


@scenario
def context_length():
    with Raised(errors.ClientError) as r:
        ask("#toolong")
    equal((r.error.code, r.error.status), (400, "INVALID_ARGUMENT"))


main()
