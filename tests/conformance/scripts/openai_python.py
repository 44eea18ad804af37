"""The official client for Python, as its users call it."""

import openai
import pydantic
from wire import serve

ASKED = [{"role": "user", "content": "Is it raining in Oslo?"}]
WEATHER = {
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Weather(pydantic.BaseModel):
    city: str
    rain: bool


def client(url):
    return openai.OpenAI(base_url=url + "/v1", api_key="unused", max_retries=0, timeout=60)


def chat(url, model="small"):
    raw = client(url).chat.completions.with_raw_response.create(
        model=model, messages=ASKED, n=1, seed=7, stop=["\n\n"], temperature=0, logprobs=True, top_logprobs=2,
        extra_headers={"X-Rightsized-Data-Class": "public"},
    )  # fmt: skip
    answer = raw.parse()
    return {
        "text": answer.choices[0].message.content,
        "id": answer.id,
        "decision": raw.headers["x-rightsized-decision"],
        "tokens": answer.usage.total_tokens,
        "cost": answer.usage.cost_usd,
        "finish": answer.choices[0].finish_reason,
    }


def stream(url, model="small", usage=True):
    options = {"stream_options": {"include_usage": True}} if usage else {}
    text, finish, last = "", None, None
    for chunk in client(url).chat.completions.create(model=model, messages=ASKED, stream=True, **options):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        last = chunk
    return {"text": text, "finish": finish, "cost": last.usage.cost_usd, "tokens": last.usage.total_tokens}


def accumulated(url, model="tools"):
    """The client's own helper puts a stream together again."""
    with client(url).chat.completions.stream(
        model=model, messages=ASKED, tools=[{"type": "function", "function": {**WEATHER, "strict": True}}]
    ) as events:
        kinds = [event.type for event in events]
        (call,) = events.get_final_completion().choices[0].message.tool_calls
    return {"name": call.function.name, "arguments": call.function.arguments, "kinds": sorted(set(kinds))}


def tools(url, model="tools"):
    answer = client(url).chat.completions.create(
        model=model, messages=ASKED, tools=[{"type": "function", "function": WEATHER}], parallel_tool_calls=True
    )
    (call,) = answer.choices[0].message.tool_calls
    reply = client(url).chat.completions.create(
        model="small",
        messages=[*ASKED, answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}],
    )
    return {"name": call.function.name, "arguments": call.function.arguments, "then": reply.choices[0].message.content}


def calls(url, model="tools", **more):
    """Several calls of one answer, whole and put together from a stream, and on the Responses API."""
    given = {"model": model, "messages": ASKED, "tools": [{"type": "function", "function": WEATHER}], **more}
    whole = client(url).chat.completions.create(**given)
    with client(url).chat.completions.stream(**given) as events:
        for _ in events:
            pass
        streamed = events.get_final_completion()
    items = client(url).responses.create(
        model=model, input="Rain?", tools=[{"type": "function", "strict": False, **WEATHER}], **more
    )
    found = [[call.function.arguments for call in made.choices[0].message.tool_calls] for made in (whole, streamed)]
    return [*found, [item.arguments for item in items.output if item.type == "function_call"]]


def choices(url, model="small"):
    """Two choices with the probabilities of their tokens, whole and streamed; what the tokens add up to."""
    given = {"model": model, "messages": ASKED, "n": 2, "logprobs": True, "top_logprobs": 2, "max_tokens": 5, "seed": 7}
    given["temperature"] = 1.5
    whole = client(url).chat.completions.create(**given)
    told = {}
    for chunk in client(url).chat.completions.create(**given, stream=True):
        for choice in chunk.choices:
            text, tokens = told.setdefault(choice.index, ["", []])
            told[choice.index][0] = text + (choice.delta.content or "")
            tokens += choice.logprobs.content if choice.logprobs else []
    rows = [[c.message.content, c.logprobs.content] for c in whole.choices] + [told[i] for i in sorted(told)]
    return [[text, "".join(t.token for t in tokens), [len(t.top_logprobs) for t in tokens]] for text, tokens in rows]


def image(url, model):
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]
    try:
        answer = client(url).chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
    except openai.APIStatusError as error:
        return {"status": error.status_code, "code": error.code}
    return {"text": answer.choices[0].message.content}


def parsed(url, model="json"):
    answer = client(url).chat.completions.parse(model=model, messages=ASKED, response_format=Weather)
    return answer.choices[0].message.parsed.model_dump()


def fails(url, model, streamed=False):
    try:
        answer = client(url).chat.completions.create(model=model, messages=ASKED, stream=streamed)
        got = ""
        if streamed:
            for chunk in answer:
                got += chunk.choices[0].delta.content or ""
    except openai.APIError as error:
        body = error.body if isinstance(error.body, dict) else {}
        return {
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": error.code,
            "type": error.type,
            "decision": body.get("decision"),
            "got": got if streamed and "got" in locals() else "",
        }
    return {"class": None}


def leaves(url):
    answer = client(url).chat.completions.create(model="endless", messages=ASKED, stream=True)
    next(iter(answer))
    answer.close()
    return True


def completions(url):
    answer = client(url).completions.create(model="small", prompt="def f(", suffix="return x", max_tokens=5)
    return {"text": answer.choices[0].text, "tokens": answer.usage.total_tokens}


def embeddings(url, model="letters"):
    """Without `encoding_format` the client asks for base64 and decodes it."""
    answer = client(url).embeddings.create(model=model, input=["abba", "gab"])
    return {"rows": [row.embedding for row in answer.data], "tokens": answer.usage.total_tokens}


def models(url):
    return [client(url).models.retrieve(model.id).id for model in client(url).models.list()]


def responses(url, model="small"):
    answer = client(url).responses.create(model=model, input="Is it raining?", instructions="Be brief.")
    return {"text": answer.output_text, "status": answer.status, "tokens": answer.usage.total_tokens, "id": answer.id}


def responses_stream(url, model="small"):
    function = {"type": "function", "strict": True, **WEATHER}
    with client(url).responses.stream(model=model, input="Is it raining?", tools=[function]) as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    calls = [item.arguments for item in final.output if item.type == "function_call"]
    return {"text": final.output_text, "calls": calls, "last": kinds[-1]}


serve(
    chat=chat, stream=stream, accumulated=accumulated, tools=tools, parsed=parsed, fails=fails, leaves=leaves,
    calls=calls, choices=choices, image=image,
    completions=completions, embeddings=embeddings, models=models, responses=responses,
    responses_stream=responses_stream,
)  # fmt: skip
