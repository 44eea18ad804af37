// The official client for Node, as its users call it. Speaks the JSON lines of benchmarks/peers/wire.py.
const readline = require("readline");
const { OpenAI } = require("openai");

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
console.log = console.error; // what a library prints must not disturb the pipe

const ASKED = [{ role: "user", content: "Is it raining in Oslo?" }];
const WEATHER = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};
const client = (url) => new OpenAI({ baseURL: url + "/v1", apiKey: "unused", maxRetries: 0 });

const operations = {
  async chat({ url, model = "small" }) {
    const { data, response } = await client(url)
      .chat.completions.create({ model, messages: ASKED, seed: 7 }, { headers: { "X-Rightsized-Region": "eu" } })
      .withResponse();
    return {
      text: data.choices[0].message.content, id: data.id, decision: response.headers.get("x-rightsized-decision"),
      tokens: data.usage.total_tokens, cost: data.usage.cost_usd, finish: data.choices[0].finish_reason,
    };
  },
  async stream({ url, model = "small", usage = true }) {
    const options = usage ? { stream_options: { include_usage: true } } : {};
    const chunks = await client(url).chat.completions.create({ model, messages: ASKED, stream: true, ...options });
    let text = "", finish = null, last = null;
    for await (const chunk of chunks) {
      for (const choice of chunk.choices) {
        text += choice.delta.content || "";
        finish = choice.finish_reason || finish;
      }
      last = chunk;
    }
    return { text, finish, cost: last.usage.cost_usd, tokens: last.usage.total_tokens };
  },
  async accumulated({ url, model = "tools" }) {
    const runner = client(url).chat.completions.stream({ model, messages: ASKED, tools: [WEATHER] });
    const final = await runner.finalChatCompletion();
    const call = final.choices[0].message.tool_calls[0];
    return { name: call.function.name, arguments: call.function.arguments };
  },
  async tools({ url, model = "tools" }) {
    const answer = await client(url).chat.completions.create({ model, messages: ASKED, tools: [WEATHER] });
    const message = answer.choices[0].message;
    const [call] = message.tool_calls;
    const reply = await client(url).chat.completions.create({
      model: "small", messages: [...ASKED, message, { role: "tool", tool_call_id: call.id, content: "rain" }],
    });
    return { name: call.function.name, arguments: call.function.arguments, then: reply.choices[0].message.content };
  },
  async calls({ url, model = "tools", ...more }) {
    const given = { model, messages: ASKED, tools: [WEATHER], ...more };
    const whole = await client(url).chat.completions.create(given);
    const streamed = await client(url).chat.completions.stream(given).finalChatCompletion();
    const items = await client(url).responses.create({
      model, input: "Rain?", tools: [{ type: "function", strict: false, ...WEATHER.function }], ...more,
    });
    const found = [whole, streamed].map((made) => made.choices[0].message.tool_calls.map((call) => call.function.arguments));
    return [...found, items.output.filter((item) => item.type === "function_call").map((item) => item.arguments)];
  },
  async fails({ url, model, streamed = false }) {
    let got = "";
    try {
      const answer = await client(url).chat.completions.create({ model, messages: ASKED, stream: streamed });
      if (streamed) for await (const chunk of answer) got += chunk.choices[0].delta.content || "";
    } catch (error) {
      return {
        class: error.constructor.name, status: error.status ?? null, code: error.code, type: error.type,
        decision: error.error?.decision ?? null, got,
      };
    }
    return { class: null };
  },
  async leaves({ url }) {
    const chunks = await client(url).chat.completions.create({ model: "endless", messages: ASKED, stream: true });
    for await (const chunk of chunks) break; // breaking off aborts the request
    return true;
  },
  async completions({ url }) {
    const answer = await client(url).completions.create({ model: "small", prompt: "def f(", suffix: "return x" });
    return { text: answer.choices[0].text, tokens: answer.usage.total_tokens };
  },
  async embeddings({ url, model = "letters" }) {
    const answer = await client(url).embeddings.create({ model, input: ["abba", "gab"] });
    return { rows: answer.data.map((row) => Array.from(row.embedding)), tokens: answer.usage.total_tokens };
  },
  async models({ url }) {
    const found = [];
    for await (const model of await client(url).models.list()) found.push((await client(url).models.retrieve(model.id)).id);
    return found;
  },
  async responses({ url, model = "small" }) {
    const answer = await client(url).responses.create({ model, input: "Is it raining?" });
    return { text: answer.output_text, status: answer.status, tokens: answer.usage.total_tokens, id: answer.id };
  },
  async responses_stream({ url, model = "small" }) {
    const stream = client(url).responses.stream({ model, input: "Is it raining?" });
    let last = null;
    for await (const event of stream) last = event.type;
    const final = await stream.finalResponse();
    const calls = final.output.filter((item) => item.type === "function_call").map((item) => item.arguments);
    return { text: final.output_text ?? "", calls, last };
  },
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    try {
      say({ value: (await operations[request.operation](request.arguments)) ?? null, cpu_s: 0, wall_s: 0 });
    } catch (error) {
      say({ error: `${error.constructor.name}: ${error.message}`.slice(0, 600) });
    }
  }
})();
