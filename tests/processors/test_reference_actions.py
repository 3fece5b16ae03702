"""What is published of the platform's actions: each is there, and takes what it takes there."""

from processors import registry


def _all(keys: str, inputs: str = "") -> dict[str, str]:
    return dict.fromkeys(keys.split(), inputs)


HTTP = (
    "url connection headers queryParams responseType timeout includeFullResponse debugRequest "
    "ignoreSslErrors maxRetries retryDelayMS retryOnAllErrors useExponentialBackoff"
)
REFERENCE = {
    "webhook-triggers": {"webhook": "statusCode contentType headers body"},
    "schedule-triggers": {"schedule": ""},
    "management-triggers": {"instanceDeploy": "", "instanceRemove": ""},
    "cross-flow": {"crossFlow": "", "invokeFlow": "flowName data"},
    "recursive-flow": {
        "recursiveTrigger": "runOnDeploy defaultCursor",
        "getCursor": "",
        "setCursor": "cursor",
        "invokeRecursive": "",
    },
    "loop": {"loopOverItems": "items", "loopNTimes": "iterationCount", "breakLoop": ""},
    "branch": {
        "branchOnExpression": "conditions",
        "branchOnValue": "inputValue branchValueMappings",
        "selectExecutedStepResult": "stepResults",
    },
    "stop-execution": {"stopExecution": "statusCode jsonBody contentType headers"},
    "code": {"runCode": "code data", "runCodeTrigger": "code"},
    "http": {
        **dict.fromkeys(("httpGet", "httpDelete"), HTTP),
        **dict.fromkeys(("httpPost", "httpPut", "httpPatch"), f"{HTTP} data"),
        "httpPostFormData": f"{HTTP} formData fileData fileDataFileNames httpMethod",
    },
    "log": {"writeLog": "level message", "writeMetrics": "metrics"},
    "persist-data": {
        name.format(scope): inputs
        for scope in ("Execution", "Instance", "CrossFlow", "Integration")
        for name, inputs in {
            "get{}Value": "keyInput defaultValueInput",
            "save{}Value": "keyInput valueInput dynamicValues",
            "append{}ValueToList": "keyInput valueInput",
            "append{}ValuesToList": "keyInput valuesInput dynamicValues flatten",
            "increment{}Value": "keyInput amountInput",
            "decrement{}Value": "keyInput amountInput",
            "remove{}Value": "keyInput keysInput",
            "remove{}ValueFromList": "keyInput valueInput",
            "remove{}ValueFromSet": "keyInput valueInput",
            "add{}ValueToSet": "keyInput valueInput",
            "save{}CurrentTime": "keyInput",
            "list{}Keys": "",
            "clearAll{}Values": "",
        }.items()
    },
    "collection-tools": {
        "createObject": "keyValueInput",
        "addKey": "object key value objectPath",
        "addMultipleKeys": "object keyValueListInput dynamicFields",
        "create": "items",
        "filter": "listInput filterCodeInput",
        "map": "listInput transformCodeInput filterCodeInput contextInput",
        "chunks": "listInput numberInput",
        "validateJsonSchema": "jsonInput jsonSchema",
        "processInOrder": "collectionId collectionLength item itemIndex",
        **_all(
            "first last length flatten append count deduplicate sort takeFirst takeLast "
            "aggregate selectItemFromList remove",
            "listInput",
        ),
        "concatenate": "",
    },
    "change-data-format": {
        **_all(
            "deserializeFromJson deserializeFormData deserializeFromCsv deserializeFromYaml "
            "deserializeJsonl binaryToJson prettyPrint",
            "data",
        ),
        "deserializeFromXml": "data numbersAsStrings",
        **_all("convertToString convertToNumber convertToBoolean convertToInt", "value"),
    },
    "text-manipulation": {
        "split": "text separator",
        "join": "strings separator",
        "joinLines": "strings newlineType numberOfNewlines",
        "replace": "text find replace",
        **_all("upperCase lowerCase slice match trim stringLength htmlEncode htmlDecode", "text"),
    },
    "math": {"add": "numbers"},
    "datetime": {
        "getCurrentDateTime": "",
        "adjustDateTime": "dateTimeInput secondsInput minutesInput hoursInput daysInput",
        "formatDateTime": "",
    },
    "csv": {"parse": "csv delimiter", "generateFromObject": "inputArray delimiter includeHeader"},
    "liquid-template": {"transform": "data liquidTemplate"},
    "messagepack": {"encodeMessage": "data", "decodeMessage": "message"},
    "sleep": {"sleep": "ms"},
    "process-data": {"deduplicate": ""},
    "result-placeholder": {"actions": ""},
    "jsonata": {"transform": ""},
    "graphql": {"graphqlRequest": "url query variables"},
    "prismatic": {"rawRequest": "connection query variables"},
    **{one: {} for one in ("data-mapper", "hash", "uuid", "zip", "html-utils")},
    "pgp": _all("encryptString encryptFile decryptString decryptFile"),
    "soap": _all("getWsdlByUrl describeClient sendRequest getWsdlAuth"),
    "pdf": _all(
        "extractAllText extractPage extractPageText extractStructuredText "
        "extractTableData extractTextByPattern extractTextWithLayout findPattern "
        "findTextPosition pageNumbers"
    ),
}
"""By component its actions, as far as the published files and pages name them, and their inputs."""


def test_every_action_that_is_published_is_there_with_its_inputs() -> None:
    for component, actions in REFERENCE.items():
        assert component in registry.known(), component
        for key, inputs in actions.items():
            declared = registry.inputs_of(component, key)
            assert declared is not None, (component, key)
            assert set(inputs.split()) <= declared, (component, key)
