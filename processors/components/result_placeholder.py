"""Result placeholder: a step with a result of one's own; pure."""

from processors.actions import Input, Kind
from processors.components import computed

_CODE = Input(
    key="code",
    label="Code",
    kind=Kind.JSON,
    description="The result; a text that is JSON becomes its value.",
    example='{"id": 17}',
)

ACTIONS = (
    computed.action(
        "result-placeholder",
        "actions",
        "Mock Result",
        "Gives what it is given.",
        lambda given: given["code"],
        _CODE,
    ),
)
