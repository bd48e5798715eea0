"""LangChain's Python packages for OpenAI and Anthropic against the gateway."""

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from report import *


@tool
def get_weather(city: str, days: int) -> str:
    """The weather"""
    return use("get_weather", {"city": city, "days": days})


@tool
def get_time() -> str:
    """The time"""
    return use("get_time", {})


TOOLS = {"get_weather": get_weather, "get_time": get_time}
CLIENTS = {
    "openai": lambda **more: ChatOpenAI(model=MODEL, base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0, timeout=20, stream_usage=True, **more),
    "responses": lambda **more: ChatOpenAI(model=MODEL, base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0, timeout=20, use_responses_api=True, **more),
    "anthropic": lambda **more: ChatAnthropic(model=MODEL, base_url=GATEWAY, api_key=KEY, max_retries=0, timeout=20, max_tokens=1000, **more),
}


def say(text):
    return [SystemMessage("Be brief."), HumanMessage(text)]


def whole(llm, messages):
    return llm.invoke(messages)


def streamed(llm, messages):
    message, chunks = None, 0
    for chunk in llm.stream(messages):
        message = chunk if message is None else message + chunk
        chunks += 1
    assert chunks > 2, chunks
    return message


def check_usage(m):
    u = m.usage_metadata
    equal((u["input_tokens"], u["output_tokens"], u["total_tokens"], u["input_token_details"]["cache_read"]), (20, 10, 30, 5))


def loop(llm, send, text, rounds, calls):
    """Runs a tool loop, with LangChain's own tools, until the model answers."""
    llm = llm.bind_tools(list(TOOLS.values()), strict=False)
    messages = say(text)
    for _ in range(rounds):
        m = send(llm, messages)
        check_usage(m)
        equal(len(m.tool_calls), calls)
        messages.append(m)
        for call in m.tool_calls:
            result = TOOLS[call["name"]].invoke(call)
            assert isinstance(result, ToolMessage)
            messages.append(result)
    m = send(llm, messages)
    equal(m.tool_calls, [])
    return m.text


def define(name, make):
    def named(what):
        def wrap(f):
            f.__name__ = f"{name}_{what}"
            return scenario(f)

        return wrap

    @named("chat")
    def _():
        m = whole(make(), say("Hello"))
        equal(m.text, GREETING % (1, "Hello"))
        check_usage(m)

    @named("stream")
    def _():
        m = streamed(make(), say("Hello"))
        equal(m.text, GREETING % (1, "Hello"))
        check_usage(m)

    @named("tool_loop")
    def _():
        equal(loop(make(), whole, "#steps", 2, 1), STEPS)

    @named("tool_loop_streamed")
    def _():
        equal(loop(make(), streamed, "#steps", 2, 1), STEPS)

    @named("parallel_tools")
    def _():
        equal(loop(make(), whole, "#parallel", 1, 2), BOTH)
        equal(loop(make(), streamed, "#parallel", 1, 2), BOTH)


for name, make in CLIENTS.items():
    define(name, make)


@scenario
def embeddings():
    e = OpenAIEmbeddings(model="demo-embedding", base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0, check_embedding_ctx_length=False)
    near, far = e.embed_documents(["the blue sky", "a cup of tea"])
    asked = e.embed_query("sky, blue")
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    equal(len(near), 256)
    assert dot(asked, near) > dot(asked, far), (dot(asked, near), dot(asked, far))


main()
