"""Branch: which way a flow goes on; pure. Where no condition or value fits, it is `Else`."""

from collections.abc import Mapping
from typing import Any

from processors import cleaning, conditions
from processors.actions import Action, Context, Input, Kind, Outcome, StepError
from schemas.values import NotSerializable

ELSE = "Else"


def _on_expression(inputs: Mapping[str, Any], context: Context) -> Outcome:
    for name, condition in inputs["conditions"]:
        if conditions.evaluate(condition):
            return _taken(name, context)
    return Outcome(branch=ELSE)


def _on_value(inputs: Mapping[str, Any], context: Context) -> Outcome:
    for name, expected in inputs["branchValueMappings"]:
        if _text(inputs["inputValue"]) == _text(expected):
            return _taken(name, context)
    return Outcome(branch=ELSE)


def _text(value: object) -> str:
    try:
        return cleaning.to_text(value)
    except NotSerializable as error:
        raise StepError(f"Input Value (inputValue) cannot be compared: {error}") from error


def _taken(name: str, context: Context) -> Outcome:
    if name not in context.branches:
        there = ", ".join(map(repr, context.branches)) or "none"
        raise StepError(f"Branch {name!r} is chosen, but the step's branches are: {there}")
    return Outcome(branch=name)


def _select_result(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    results = inputs["stepResults"]
    return Outcome(result=next((result for result in results if result is not None), None))


ACTIONS = (
    Action(
        component="branch",
        key="branchOnExpression",
        label="Branch on Expression",
        description="Takes the branch of the first condition that holds.",
        perform=_on_expression,
        inputs=(
            Input(
                key="conditions",
                label="Conditions",
                kind=Kind.CONDITIONS,
                passes_stored=True,
                description="For each branch the condition under which it is taken, in order.",
                example='Large: ["and", ["greaterThan", total, 1000]]',
            ),
        ),
    ),
    Action(
        component="branch",
        key="branchOnValue",
        label="Branch on Value",
        description="Takes the branch whose value equals the input, compared as texts.",
        perform=_on_value,
        inputs=(
            Input(
                key="inputValue",
                label="Input Value",
                kind=Kind.ANY,
                description="The value to compare.",
                example="created",
            ),
            Input(
                key="branchValueMappings",
                label="Branch Value Mappings",
                kind=Kind.PAIRS,
                description="For each branch the value for which it is taken.",
                example="Register: register",
            ),
        ),
    ),
    Action(
        component="branch",
        key="selectExecutedStepResult",
        label="Select Executed Step Result",
        description="Gives the first result of the list that is not null.",
        perform=_select_result,
        inputs=(
            Input(
                key="stepResults",
                label="Step Results",
                kind=Kind.LIST,
                passes_stored=True,
                description="Results of steps in different branches, of which only some have run.",
                example="createOrder.results, updateOrder.results",
            ),
        ),
    ),
)
