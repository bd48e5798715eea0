"""OpenAI's Python SDK against the gateway."""

import json

import openai
from pydantic import BaseModel, ConfigDict

from report import *

client = openai.OpenAI(base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0, timeout=20)
chat = client.chat.completions
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather", "parameters": WEATHER, "strict": True}},
    {"type": "function", "function": {"name": "get_time", "parameters": NOTHING, "strict": True}},
]


def say(text, **more):
    return {"model": MODEL, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}], **more}


def ask(**request):
    return chat.create(**request)


def ask_streamed(**request):
    with chat.stream(**request, stream_options={"include_usage": True}) as s:
        for _ in s:
            pass
        return s.get_final_completion()


def check_usage(u):
    equal((u.prompt_tokens, u.completion_tokens, u.total_tokens, u.prompt_tokens_details.cached_tokens), (20, 10, 30, 5))


def loop(send, text, rounds, calls, **more):
    """Runs a tool loop until the model answers."""
    request = say(text, tools=TOOLS, **more)
    for n in range(rounds):
        r = send(**request)
        c = r.choices[0]
        equal(c.finish_reason, "tool_calls")
        check_usage(r.usage)
        equal(len(c.message.tool_calls), calls)
        equal(len({t.id for t in c.message.tool_calls}), calls)
        assert all(t.type == "function" for t in c.message.tool_calls)
        request["messages"].append(c.message.to_dict())
        for t in c.message.tool_calls:
            result = use(t.function.name, json.loads(t.function.arguments))
            request["messages"].append({"role": "tool", "tool_call_id": t.id, "content": result})
    r = send(**request)
    equal(r.choices[0].finish_reason, "stop")
    return r.choices[0].message.content


@scenario
def chat_():
    r = ask(**say("Hello", temperature=1.5, seed=7))
    m = r.choices[0].message
    equal(m.content, GREETING % (1, "Hello"))
    equal((m.role, r.choices[0].finish_reason, r.object, r.model), ("assistant", "stop", "chat.completion", MODEL))
    assert r.id and r.created > 0
    check_usage(r.usage)


chat_.__name__ = "chat"


@scenario
def history():
    request = say("One")
    request["messages"] += [{"role": "assistant", "content": "Two"}, {"role": "user", "content": [{"type": "text", "text": "Drei ✓"}]}]
    equal(ask(**request).choices[0].message.content, GREETING % (3, "Drei ✓"))


@scenario
def stream():
    r = ask_streamed(**say("Hello"))
    equal(r.choices[0].message.content, GREETING % (1, "Hello"))
    equal((r.choices[0].message.role, r.choices[0].finish_reason, r.model), ("assistant", "stop", MODEL))
    check_usage(r.usage)
    text, usage = "", None
    for chunk in chat.create(**say("Hello"), stream=True):  # without asking for usage
        usage = usage or chunk.usage
        equal(len(chunk.choices), 1)
        text += chunk.choices[0].delta.content or ""
    equal(text, GREETING % (1, "Hello"))
    equal(usage, None)


@scenario
async def async_stream():
    async with openai.AsyncOpenAI(base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0) as c:
        async with c.chat.completions.stream(**say("Hello")) as s:
            r = await s.get_final_completion()
    equal(r.choices[0].message.content, GREETING % (1, "Hello"))


@scenario
def stop():
    c = ask(**say("#stop", stop=["END"])).choices[0]
    equal((c.message.content, c.finish_reason), ("Up to here", "stop"))


@scenario
def length():
    c = ask(**say("#long", max_tokens=77)).choices[0]
    equal((c.message.content, c.finish_reason), ("Cut at 77", "length"))
    c = ask(**say("#long", max_completion_tokens=78)).choices[0]
    equal((c.message.content, c.finish_reason), ("Cut at 78", "length"))


@scenario
def image():
    request = say("x")
    request["messages"][1]["content"] = [
        {"type": "text", "text": "#image"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}},
    ]
    equal(ask(**request).choices[0].message.content, SAW)


class Weather(BaseModel):
    model_config = ConfigDict(extra="forbid")
    city: str
    celsius: int


@scenario
def structured():
    want = Weather(city="Zürich", celsius=21)
    equal(chat.parse(**say("#json"), response_format=Weather).choices[0].message.parsed, want)
    with chat.stream(**say("#json"), response_format=Weather) as s:
        equal(s.get_final_completion().choices[0].message.parsed, want)


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
    equal(loop(ask, "#noargs", 1, 1), CLOCK)
    equal(loop(ask_streamed, "#noargs", 1, 1), CLOCK)


@scenario
def two_steps():
    equal(loop(ask, "#steps", 2, 1), STEPS)
    equal(loop(ask_streamed, "#steps", 2, 1), STEPS)


@scenario
def parse_tools():
    class get_weather(BaseModel):
        city: str
        days: int

    with chat.stream(**say("#weather"), tools=[openai.pydantic_function_tool(get_weather)]) as s:
        c = s.get_final_completion().choices[0].message.tool_calls[0]
    equal(c.function.parsed_arguments, get_weather(city='Zürich "ZH"', days=2))


@scenario
def tool_choice():
    def f(want, **more):
        equal(ask(**say("#choice", tools=TOOLS, **more)).choices[0].message.content, want)

    f("choice=auto serial=false")
    f("choice=auto serial=false", tool_choice="auto")
    f("choice=none serial=false", tool_choice="none")
    f("choice=required serial=false", tool_choice="required")
    serial = "false" if FORMAT == "bedrock" else "true"  # which has no such member; the gateway says so
    f("choice=get_time serial=" + serial, tool_choice={"type": "function", "function": {"name": "get_time"}}, parallel_tool_calls=False)
    f("choice=auto serial=" + serial, parallel_tool_calls=False)


def think(keep, model=THINKER):
    request = say("#weather", tools=TOOLS, reasoning_effort="low", model=model)
    m = ask(**request).choices[0].message
    assert "step 1." in m.reasoning_content, m
    back = m.to_dict()
    if not keep:
        back = {k: back[k] for k in ("role", "content", "tool_calls")}
    call = m.tool_calls[0]
    result = use(call.function.name, json.loads(call.function.arguments))
    request["messages"] += [back, {"role": "tool", "tool_call_id": call.id, "content": result}]
    m = ask(**request).choices[0].message
    equal(m.content, ZURICH)
    assert "step 2." in (getattr(m, "reasoning_content", None) or ""), m  # it thought on


@scenario
def thinking_kept():
    think(True)
    if FORMAT != "openai":
        think(True, MODEL)  # it thinks adaptively


@scenario
def other_model():
    """A tool loop goes on with a model of another vendor."""
    request = say("#steps", tools=TOOLS)
    m = ask(**request | {"model": THINKER, "reasoning_effort": "low"}).choices[0].message
    for _ in range(2):
        turn = m.to_dict()
        request["messages"].append({k: turn[k] for k in ("role", "content", "tool_calls")})
        for c in m.tool_calls:
            result = use(c.function.name, json.loads(c.function.arguments))
            request["messages"].append({"role": "tool", "tool_call_id": c.id, "content": result})
        m = ask_streamed(**request | {"model": OTHER}).choices[0].message
    equal(m.content, STEPS)


@scenario
def thinking_dropped():
    if FORMAT == "openai":  # relayed as it is: the vendor itself says what is missing
        with Raised(openai.BadRequestError) as r:
            think(False)
        assert "reasoning_content" in r.error.message
    else:  # the gateway remembers what this format has no place for
        think(False)
        think(False, MODEL)


@scenario
def wrong_key():
    with Raised(openai.AuthenticationError) as r:
        ask_wrong = openai.OpenAI(base_url=GATEWAY + "/v1", api_key="sk-gw-wrong", max_retries=0)
        ask_wrong.chat.completions.create(**say("Hello"))
    equal(r.error.code, "invalid_api_key")


@scenario
def unknown_model():
    for streamed in (False, True):
        with Raised(openai.NotFoundError) as r:
            ask(**say("Hello", stream=streamed) | {"model": "no-such-model"})
        equal(r.error.code, "model_not_found")
        assert "no-such-model" in r.error.message


@scenario
def rate_limited():
    for streamed in (False, True):
        with Raised(openai.RateLimitError) as r:
            ask(**say("Hello", stream=streamed) | {"model": LIMITED})
        assert 1 <= int(r.error.response.headers["retry-after"]) <= 7, r.error.response.headers


@scenario
def retried():
    """The SDK itself waits as long as it is told, and then succeeds."""
    patient = client.with_options(max_retries=3)
    for _ in range(2):
        r = patient.chat.completions.create(**say("Hello") | {"model": FLAKY})
        equal(r.choices[0].message.content, GREETING % (1, "Hello"))


@scenario
def refused():
    words, want = "I cannot help with that.", "stop" if FORMAT == "openai" else "content_filter"
    c = ask(**say("#refuse")).choices[0]
    equal((c.message.refusal or c.message.content, c.finish_reason), (words, want))
    text = ""
    for chunk in chat.create(**say("#refuse"), stream=True):
        c = chunk.choices[0]
        text += c.delta.refusal or c.delta.content or ""
    equal((text, c.finish_reason), (words, want))


def broken(model):
    text = ""
    with Raised(openai.APIError) as r:
        for chunk in chat.create(**say("Hello") | {"model": model}, stream=True):
            text += chunk.choices[0].delta.content or ""
            equal(chunk.choices[0].finish_reason, None)
    assert text and GREETING.startswith(text[:4]), text
    return r.error


@scenario
def mid_stream_error():
    e = broken(BROKEN)
    assert ("The server had an error" if FORMAT == "openai" else "Overloaded") in e.message, e.message


@scenario
def lost_connection():
    assert "upstream" in broken(CUT).message


@scenario
def context_length():
    for streamed in (False, True):
        with Raised(openai.BadRequestError) as r:
            ask(**say("#toolong", stream=streamed))
        equal(r.error.code, "context_length_exceeded")
        words = "maximum context length is 128000 tokens" if FORMAT == "openai" else "prompt is too long: 250000 tokens > 200000 maximum"
        assert words in r.error.message, r.error.message


@scenario
def models():
    listed = {m.id for m in client.models.list()}
    assert {MODEL, THINKER, LIMITED} <= listed, listed
    equal(client.models.retrieve(MODEL).id, MODEL)


main()
