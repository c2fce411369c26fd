"""The recipes for agents, as they stand in the how-to, with the real packages and models that say what a test wants."""

import asyncio
import json
import pathlib
import re
from typing import Any

import pytest
from actionpass import AsyncIssuer, Trust
from agents import RunConfig, Runner
from agents.items import ModelResponse as AgentsResponse
from agents.models.interface import Model as AgentsModel
from agents.usage import Usage
from help import CALLER, ISSUER, TENANT, Approver, issuer_of, key
from langchain.messages import AIMessage, HumanMessage
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langgraph.types import Command
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from pydantic_ai import DeferredToolRequests, DeferredToolResults
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

RECIPES = (pathlib.Path(__file__).parent / "python-agents.md").read_text()

#: What the recipes' tools may do: publish after a yes, unless it is a secret.
POLICY = """schema = "actionpass.policy.v1"
id = "recipes"
[[rule]]
id = "note.draft"
effect = "allow"
tool = "notes{separator}publish"
when = [{{ path = "payload.text", equals = "draft" }}]
[[rule]]
id = "note.publish"
effect = "step_up"
tool = "notes{separator}publish"
when = [{{ path = "payload.text", one_of = ["public a", "public b"] }}]
approvals = {{ count = 1, roles = ["maintainer"], not_owner = true }}
[[rule]]
id = "note.secret"
effect = "deny"
tool = "notes{separator}publish"
when = [{{ path = "payload.text", equals = "secret" }}]
"""


def policy(separator: str) -> str:
    return POLICY.format(separator=separator)


class Ran(list[Any]):
    """What tools ran with."""

    def __call__(self, *arguments: Any) -> str:
        self.append(arguments)
        return "published"


def recipe(name: str, **given: Any) -> dict[str, Any]:
    """Runs a recipe with what it is told to have, and gives its names."""
    text = re.search(rf"```python {name}\n(.*?)```", RECIPES, re.DOTALL)
    assert text is not None
    names = {"caller": CALLER, "__name__": "recipe", **given}
    exec(compile(text[1], f"recipe {name}", "exec", dont_inherit=True), names)
    return names


class Says(GenericFakeChatModel):
    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self


def test_langgraph_interrupts_on_a_step_up_and_resumes_with_approvals() -> None:
    maya, ran = Approver(), Ran()

    def says(*calls: Any) -> Any:
        """An agent whose model makes these calls, one after another."""
        made = [
            AIMessage("", tool_calls=[{"name": "notes.publish", "args": arguments, "id": f"call-{number}"}])
            for number, arguments in enumerate(calls)
        ]
        model = Says(messages=iter([*made, AIMessage("done")]))
        issuer = issuer_of(maya.trust, policy=policy("."))
        return recipe("langgraph", issuer=issuer, model=model, published=ran)["agent"]

    config: Any = {"configurable": {"thread_id": "1"}}
    question: Any = {"messages": [HumanMessage("publish it")]}
    agent = says({"text": "draft"}, {"text": "secret"}, {"text": "public a"}, {"text": "public b"}, {"number": 1})
    stopped = agent.invoke(question, config)
    # The first ran with its defaults, the second was told that it may not.
    assert ran == [("draft", 7)]
    assert "not made" in stopped["messages"][-2].content
    (waiting,) = stopped["__interrupt__"]
    assert waiting.value["action"]["capability"]["payload"] == {"text": "public a", "number": 7}
    yes = maya.approve(waiting.value["action"])

    stopped = agent.invoke(Command(resume=[yes]), config)
    assert ran[1:] == [("public a", 7)]
    # Other arguments ask again, and a yes to something else doesn't help.
    (waiting,) = stopped["__interrupt__"]
    assert waiting.value["action"]["capability"]["payload"]["text"] == "public b"
    ended = agent.invoke(Command(resume=[yes]), config)
    assert len(ran) == 2 and ended["messages"][-1].content == "done"
    assert [message.status for message in ended["messages"] if message.type == "tool"] == [
        "success",
        "error",
        "success",
        "error",
        "error",
    ]


class AgentsSays(AgentsModel):
    def __init__(self, *calls: str) -> None:
        self.calls = list(calls)
        self.told: list[Any] = []

    async def get_response(self, system_instructions: Any, input: Any, *_: Any, **__: Any) -> AgentsResponse:
        self.told = [one["output"] for one in input if one.get("type") == "function_call_output"]
        made = len(self.told)
        output: Any
        if made < len(self.calls):
            call = {"arguments": self.calls[made], "call_id": f"call-{made}", "name": "notes_publish"}
            output = ResponseFunctionToolCall(type="function_call", **call)
        else:
            text = ResponseOutputText(type="output_text", text="done", annotations=[])
            output = ResponseOutputMessage(
                id="1", type="message", role="assistant", status="completed", content=[text]
            )
        return AgentsResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


async def opened(trust: Trust) -> AsyncIssuer:
    return await AsyncIssuer.of(
        issuer=ISSUER, tenants=[TENANT], signer=key(), policy=policy("_"), trust=trust
    )


def test_openai_agents_interrupt_on_a_step_up_and_resume_with_approvals() -> None:
    maya, ran = Approver(), Ran()

    async def run() -> None:
        calls = ["draft", "secret", "public a", "public a"]
        model = AgentsSays(*(json.dumps({"text": text}) for text in calls), '{"text":"secret","text":"draft"}')
        names = recipe("openai", issuer=await opened(maya.trust), model=model, published=ran)
        quiet = RunConfig(tracing_disabled=True)
        stopped = await Runner.run(names["agent"], "publish it", run_config=quiet)
        (interruption,) = stopped.interruptions
        assert ran == [("draft",)] and "not made" in model.told[1]
        action = names["waiting"]["call-2"]
        assert action["capability"]["payload"] == {"text": "public a"}
        names["approvals"]["call-2"] = [maya.approve(action)]
        state = stopped.to_state()
        state.approve(interruption)
        stopped = await Runner.run(names["agent"], state, run_config=quiet)
        assert ran == [("draft",), ("public a",)]
        # The same asks again: approvals are used up, and a click is none.
        (interruption,) = stopped.interruptions
        state = stopped.to_state()
        state.approve(interruption)
        stopped = await Runner.run(names["agent"], state, run_config=quiet)
        # Arguments that two readers read differently are nobody's.
        for interruption in stopped.interruptions:
            state = stopped.to_state()
            state.approve(interruption)
            stopped = await Runner.run(names["agent"], state, run_config=quiet)
        assert stopped.final_output == "done"
        assert "not made" in model.told[3] and "member_duplicate" in model.told[4]
        assert len(ran) == 2

    asyncio.run(run())


def test_pydantic_ai_defers_a_step_up_and_resumes_with_approvals() -> None:
    maya, ran = Approver(), Ran()
    calls = [{"text": "draft"}, {"text": "secret"}, {"text": "public a"}, {"text": "public b"}]
    told: list[Any] = []

    def says(messages: Any, _: Any) -> ModelResponse:
        told[:] = [part.content for one in messages for part in one.parts if part.part_kind == "tool-return"]
        if len(told) < len(calls):
            return ModelResponse([ToolCallPart("notes_publish", calls[len(told)], tool_call_id=f"call-{len(told)}")])
        return ModelResponse([TextPart("done")])

    async def run() -> None:
        issuer = await opened(maya.trust)
        agent = recipe("pydantic-ai", issuer=issuer, model=FunctionModel(says), published=ran)["agent"]
        stopped = await agent.run("publish it")
        assert isinstance(stopped.output, DeferredToolRequests)
        assert ran == [("draft", 7)] and "not made" in told[1]

        async def resume(number: int, *approvals: str) -> Any:
            call = f"call-{number}"
            given = DeferredToolResults(approvals={call: True}, metadata={call: {"approvals": list(approvals)}})
            return await agent.run(message_history=stopped.all_messages(), deferred_tool_results=given)

        action = stopped.output.metadata["call-2"]["action"]
        assert action["capability"]["payload"]["text"] == "public a"
        yes = maya.approve(action)
        stopped = await resume(2, yes)
        assert ran[1:] == [("public a", 7)]
        # Other arguments ask again, and a yes to something else doesn't help.
        assert isinstance(stopped.output, DeferredToolRequests)
        assert list(stopped.output.metadata) == ["call-3"]
        stopped = await resume(3, yes)
        assert stopped.output == "done" and "not made" in told[3]
        assert len(ran) == 2

    asyncio.run(run())


@pytest.mark.parametrize("name", ["langgraph", "openai", "pydantic-ai"])
def test_a_recipe_is_short(name: str) -> None:
    text = re.search(rf"```python {name}\n(.*?)```", RECIPES, re.DOTALL)
    assert text is not None
    assert len([line for line in text[1].splitlines() if line.strip()]) <= 35
