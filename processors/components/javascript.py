"""JavaScript functions that inputs hold, such as `(item, index) => item.id > 3`.

They run as code steps do, in a sandbox process with limits, and know nothing of the execution but
what they are given.
"""

from collections.abc import Mapping
from dataclasses import replace

from processors.actions import Context, Input, Outcome, World
from processors.components import code
from processors.components.refusals import unfit
from schemas.events import Scope
from schemas.values import Value

_AWAITED = (
    "const awaited = (made) => made.some((one) => one && typeof one.then === 'function')"
    " ? Promise.all(made) : made; "
)
"""For expressions. A promise for each of 200,000 elements would take more memory than there is."""


def run(
    functions: Mapping[Input, str],
    expression: str,
    data: Value,
    context: Context,
    world: World,
) -> Outcome:
    """What `expression` comes to, with `data` and, under the inputs' keys, `functions` in scope.

    `awaited(list)` in it gives a list, or the promise of one where its elements are promises.
    What the functions write to the console are lines of the log. Raises StepError, also where an
    input holds no function.
    """
    declared = "".join(_declaration(*named) for named in functions.items())
    module = (
        f"{declared}{_AWAITED}module.exports = async ({{ data }}) => ({{ data: {expression} }});"
    )
    return code.run_code({"code": module, "data": data}, _bare(context), world)


def _declaration(declared: Input, text: str) -> str:
    """On as few lines as the author's, so that line numbers in messages are the author's."""
    function = text.strip().rstrip(";").rstrip()
    if not function:
        raise unfit(declared, "a JavaScript function", text)
    wanted = f"{declared.label} ({declared.key}) must be a function, found a "
    check = f"if (typeof {declared.key} !== 'function') throw new TypeError("
    return f"const {declared.key} = ({function}\n); {check}{wanted!r} + typeof {declared.key});\n"


def _bare(context: Context) -> Context:
    return replace(context, payload={}, results={}, config={}, state=_nothing)


def _nothing(_scope: Scope) -> Mapping[str, Value]:
    return {}
