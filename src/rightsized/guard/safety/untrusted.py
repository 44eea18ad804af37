"""Checks of requests that hold content nobody vouches for: the tools it may lead to, and a score of injection."""

from __future__ import annotations

import asyncio
from typing import Any

from rightsized.core.generation import Completion, Generation
from rightsized.guard.policy.outputs import InjectionRule, UntrustedToolsRule
from rightsized.guard.safety.check import FINE, Check
from rightsized.guard.safety.provenance import others, untrusted
from rightsized.guard.safety.written import calls_of, choices

# Fields by which a provider lets the model search the web or call servers by itself: OpenAI, OpenRouter, xAI, Qwen,
# Anthropic, Mistral. Nobody here sees those calls, so they are not offered either; a rule may name the field.
RUN_ELSEWHERE = (
    "web_search_options", "plugins", "search_parameters", "enable_search", "search_options", "mcp_servers",
    "connectors", "tool_resources", "container",
)  # fmt: skip
NO_TOOLS = UntrustedToolsRule(id="default:untrusted-tools", tool_results=False)


class UntrustedTools(Check[UntrustedToolsRule]):
    """With untrusted content in the request, other tools are not offered, and a call of one is a fault all the same."""

    def needs_output(self, generation: Generation) -> bool:
        return bool(generation.body.get("tools") or generation.body.get("functions")) and self._binds(generation)

    def prepared(self, body: dict[str, Any], generation: Generation) -> dict[str, Any]:
        if not self._binds(generation):
            return body
        found = dict(body)
        for field, choice in (("tools", "tool_choice"), ("functions", "function_call")):
            if not isinstance(body.get(field), list):
                continue
            kept = [tool for tool in body[field] if _name(tool) in self.rule.tools]
            found[field] = kept
            if not kept:
                for name in (field, choice, "parallel_tool_calls"):
                    found.pop(name, None)
        for name in RUN_ELSEWHERE:
            if name not in self.rule.tools:
                found.pop(name, None)
        return found

    async def request(self, generation: Generation) -> str:
        """A tool that the request insists on, and must not have."""
        if not self._binds(generation):
            return FINE
        for field in ("tool_choice", "function_call"):
            named = _name(generation.body.get(field))
            if named and named not in self.rule.tools:
                return f"{field} asks for a tool that untrusted content must not lead to"
        return FINE

    async def output(self, generation: Generation, completion: Completion) -> str:
        if not self._binds(generation):
            return FINE
        called = {name for choice in choices(completion) for name, _ in calls_of(choice)}
        wrong = called - set(self.rule.tools)
        return f"it calls {len(wrong)} tools that untrusted content must not lead to" if wrong else FINE

    def _binds(self, generation: Generation) -> bool:
        return bool(untrusted(generation, tool_results=self.rule.tool_results))


def _name(tool: Any) -> str:
    """The name of a function in a definition or a choice; empty where none is named."""
    if not isinstance(tool, dict):
        return ""
    function = tool.get("function")
    return str((function if isinstance(function, dict) else tool).get("name") or "")


class Injection(Check[InjectionRule]):
    """The highest score of the texts that nobody vouches for. A soft signal, flagged unless the rule says otherwise."""

    async def request(self, generation: Generation) -> str:
        whole = self.rule.about == "all"
        texts = others(generation) if whole else untrusted(generation, tool_results=True)
        score = await asyncio.to_thread(self._highest, texts) if texts else 0.0
        threshold = self.rule.threshold or self.means.injection_threshold
        return FINE if score < threshold else f"score {score:.2f}, threshold {threshold:.2f}"

    def _highest(self, texts: list[str]) -> float:
        return max((self.means.injection(text) for text in texts if text.strip()), default=0.0)
