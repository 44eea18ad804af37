"""LiteLLM as a client, as its users call it."""

import litellm
from wire import serve

litellm.telemetry = False
litellm.num_retries = 0
ASKED = [{"role": "user", "content": "Is it raining in Oslo?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": CITY}}


def where(url, model):
    one_try = {"max_retries": 0}  # of the client below it, which else waits as long as a 429 says
    return {"model": f"openai/{model}", "api_base": url + "/v1", "api_key": "unused", "messages": ASKED, **one_try}


def chat(url, model="small"):
    answer = litellm.completion(**where(url, model))
    headers = answer._hidden_params["additional_headers"]
    return {
        "text": answer.choices[0].message.content,
        "id": answer.id,
        "decision": headers["llm_provider-x-rightsized-decision"],
        "tokens": answer.usage.total_tokens,
        "finish": answer.choices[0].finish_reason,
    }


def stream(url, model="small", usage=True):
    options = {"stream_options": {"include_usage": True}} if usage else {}
    text, finish, last = "", None, None
    for chunk in litellm.completion(**where(url, model), stream=True, **options):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        last = chunk
    found = getattr(last, "usage", None)
    return {"text": text, "finish": finish, "tokens": found.total_tokens if found else None}


def tools(url, model="tools"):
    answer = litellm.completion(**where(url, model), tools=[WEATHER])
    (call,) = answer.choices[0].message.tool_calls
    said = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    asked = {**where(url, "small"), "messages": [*ASKED, answer.choices[0].message.model_dump(), said]}
    then = litellm.completion(**asked)
    return {"name": call.function.name, "arguments": call.function.arguments, "then": then.choices[0].message.content}


def accumulated(url, model="tools"):
    chunks = list(litellm.completion(**where(url, model), tools=[WEATHER], stream=True))
    (call,) = litellm.stream_chunk_builder(chunks, messages=ASKED).choices[0].message.tool_calls
    return {"name": call.function.name, "arguments": call.function.arguments}


def calls(url, model="tools", **more):
    given = {**where(url, model), "tools": [WEATHER], **more}
    whole = litellm.completion(**given)
    streamed = litellm.stream_chunk_builder(list(litellm.completion(**given, stream=True)), messages=ASKED)
    return [[call.function.arguments for call in made.choices[0].message.tool_calls] for made in (whole, streamed)]


def fails(url, model, streamed=False):
    got = ""
    try:
        answer = litellm.completion(**where(url, model), stream=streamed)
        if streamed:
            for chunk in answer:
                got += chunk.choices[0].delta.content or ""
    except Exception as error:  # noqa: BLE001 - which one it is, is what the test asks
        return {"class": type(error).__name__, "status": getattr(error, "status_code", None), "got": got}
    return {"class": None, "got": got}


def embeddings(url, model="letters"):
    answer = litellm.embedding(
        model=f"openai/{model}", api_base=url + "/v1", api_key="unused", input=["abba", "gab"], encoding_format="float"
    )
    return {"rows": [row["embedding"] for row in answer.data], "tokens": answer.usage.total_tokens}


def completions(url):
    answer = litellm.text_completion(
        model="text-completion-openai/small", api_base=url + "/v1", api_key="unused", prompt="def f(", max_tokens=5
    )
    return {"text": answer.choices[0].text, "tokens": answer.usage.total_tokens}


serve(
    chat=chat, stream=stream, tools=tools, accumulated=accumulated, fails=fails, embeddings=embeddings,
    completions=completions, calls=calls,
)  # fmt: skip
