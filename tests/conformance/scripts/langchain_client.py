"""LangChain's chat model for OpenAI, as its users call it."""

import pydantic
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from wire import serve

ASKED = [HumanMessage("Is it raining in Oslo?")]


class Weather(pydantic.BaseModel):
    """The weather of a city."""

    city: str
    rain: bool


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return "rain"


def chat_model(url, model, **more):
    return ChatOpenAI(base_url=url + "/v1", api_key="unused", model=model, max_retries=0, **more)


def chat(url, model="small"):
    answer = chat_model(url, model, include_response_headers=True).invoke(ASKED)
    facts = answer.response_metadata
    return {
        "text": answer.content,
        "id": answer.id if answer.id.startswith("chatcmpl") else facts["id"],
        "decision": facts["headers"]["x-rightsized-decision"],
        "tokens": answer.usage_metadata["total_tokens"],
        "cost": facts["token_usage"]["cost_usd"],
        "finish": facts["finish_reason"],
    }


def stream(url, model="small", usage=True):
    whole = None
    for chunk in chat_model(url, model, stream_usage=usage).stream(ASKED):
        whole = chunk if whole is None else whole + chunk
    return {
        "text": whole.content,
        "finish": whole.response_metadata["finish_reason"],
        "tokens": whole.usage_metadata["total_tokens"],
    }


def tools(url, model="tools"):
    answer = chat_model(url, model).bind_tools([weather]).invoke(ASKED)
    (call,) = answer.tool_calls
    said = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
    then = chat_model(url, "small").invoke([*ASKED, AIMessage("", tool_calls=[call]), said])
    return {"name": call["name"], "arguments": call["args"], "then": then.content}


def accumulated(url, model="tools"):
    whole = None
    for chunk in chat_model(url, model).bind_tools([weather]).stream(ASKED):
        whole = chunk if whole is None else whole + chunk
    (call,) = whole.tool_calls
    return {"name": call["name"], "arguments": call["args"]}


def calls(url, model="tools", **more):
    bound = chat_model(url, model).bind_tools([weather], **more)
    whole = None
    for chunk in bound.stream(ASKED):
        whole = chunk if whole is None else whole + chunk
    return [[call["args"] for call in made.tool_calls] for made in (bound.invoke(ASKED), whole)]


def parsed(url, model="json"):
    return chat_model(url, model).with_structured_output(Weather).invoke(ASKED).model_dump()


def fails(url, model, streamed=False):
    got = ""
    try:
        if streamed:
            for chunk in chat_model(url, model).stream(ASKED):
                got += chunk.content
        else:
            chat_model(url, model).invoke(ASKED)
    except Exception as error:  # noqa: BLE001 - which one it is, is what the test asks
        return {"class": type(error).__name__, "status": getattr(error, "status_code", None), "got": got}
    return {"class": None}


def embeddings(url, model="letters"):
    made = OpenAIEmbeddings(
        base_url=url + "/v1", api_key="unused", model=model, check_embedding_ctx_length=False, max_retries=0
    )
    return {"rows": made.embed_documents(["abba", "gab"])}


def responses(url, model="small"):
    answer = chat_model(url, model, use_responses_api=True).invoke(ASKED)
    return {"text": answer.text, "tokens": answer.usage_metadata["total_tokens"]}


serve(
    chat=chat, stream=stream, tools=tools, accumulated=accumulated, parsed=parsed, fails=fails, embeddings=embeddings,
    responses=responses, calls=calls,
)  # fmt: skip
