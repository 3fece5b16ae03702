"""Records as releases have written them, by wire name: they must decode for ever.

A sample is never changed. An event that gains a field or an upcaster gets a further sample.
"""

SAMPLES: tuple[tuple[str, bytes], ...] = (
    (
        "integration.published",
        b'{"v":1,"events":[["integration.published",{"integration_id":"integration id","na'
        b'me":"name","version":7,"definition":"definition"}]]}',
    ),
    (
        "customer.registered",
        b'{"v":1,"events":[["customer.registered",{"customer_id":"customer id","external_i'
        b'd":"external id","name":"name"}]]}',
    ),
    (
        "instance.deployed",
        b'{"v":1,"events":[["instance.deployed",{"instance_id":"instance id","name":"name"'
        b',"integration_id":"integration id","version":7,"customer_id":"customer id","endp'
        b'oints":{"Main":"e1"},"sealed":"sealed","api_key_hashes":{"Main":["ab12"]},"rate_'
        b'limit":10}]]}',
    ),
    (
        "instance.paused",
        b'{"v":1,"events":[["instance.paused",{"instance_id":"instance id"}]]}',
    ),
    (
        "instance.resumed",
        b'{"v":1,"events":[["instance.resumed",{"instance_id":"instance id"}]]}',
    ),
    (
        "instance.removed",
        b'{"v":1,"events":[["instance.removed",{"instance_id":"instance id"}]]}',
    ),
    (
        "webhook.received",
        b'{"v":1,"events":[["webhook.received",{"endpoint_id":"endpoint id","request":{"me'
        b'thod":"POST","path":"orders/1","headers":[["Content-Type","text/plain"]],"query"'
        b':[["a","1"]],"body":"h\xc3\xa9","encoding":"text","body_bytes":3,"content_type":"text/p'
        b'lain"},"synchronous":true,"reply_to":"reply to","request_no":10,"invoke_url":"in'
        b'voke url"}]]}',
    ),
    (
        "execution.admitted",
        b'{"v":1,"events":[["execution.admitted",{"execution_id":"execution id","trigger_p'
        b'artition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"e'
        b'ndpoint id","instance_id":"instance id","customer_id":"customer id","integration'
        b'_id":"integration id","version":7,"flow":"flow","request":{"method":"POST","path'
        b'":"orders/1","headers":[["Content-Type","text/plain"]],"query":[["a","1"]],"body'
        b'":"h\xc3\xa9","encoding":"text","body_bytes":3,"content_type":"text/plain"},"synchronou'
        b's":true,"reply_to":"reply to","request_no":10,"invoke_type":"WEBHOOK","invoke_ur'
        b'l":"invoke url"}]]}',
    ),
    (
        "trigger.refused",
        b'{"v":1,"events":[["trigger.refused",{"execution_id":"execution id","trigger_part'
        b'ition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"endp'
        b'oint id","instance_id":"instance id","flow":"flow","reason":"instance_removed","'
        b'limit":5}]]}',
    ),
    (
        "partition.claimed",
        b'{"v":1,"events":[["partition.claimed",{"owner":"owner"}]]}',
    ),
    (
        "journal.checkpointed",
        b'{"v":1,"events":[["journal.checkpointed",{"started_through":{"0":7},"decided_thr'
        b'ough":{"0":7}}]]}',
    ),
    (
        "execution.started",
        b'{"v":1,"events":[["execution.started",{"execution_id":"execution id","instance_i'
        b'd":"instance id","flow":"flow","admission_partition":19,"admission_offset":16,"t'
        b'rigger_partition":17,"trigger_offset":14}]]}',
    ),
    (
        "step.scheduled",
        b'{"v":1,"events":[["step.scheduled",{"execution_id":"execution id","step":"step",'
        b'"loop_path":"loop path","attempt":7,"idempotency_key":"idempotency key"}]]}',
    ),
    (
        "calls.refused",
        b'{"v":1,"events":[["calls.refused",{"endpoint_id":"endpoint id","reason":"wrong_si'
        b'gnature","count":12,"first_at":1700000000000010,"last_at":1700000000000011,"method'
        b'":"POST","path":"orders/1","header_names":["host","X-Sig"],"trigger_partition":2,"t'
        b'rigger_offset":9}]]}',
    ),
    (
        "step.retry_scheduled",
        b'{"v":1,"events":[["step.retry_scheduled",{"execution_id":"execution id","step":"'
        b'step","loop_path":"loop path","attempt":7,"error":"error","delay_s":1.5}]]}',
    ),
    (
        "step.succeeded",
        b'{"v":1,"events":[["step.succeeded",{"execution_id":"execution id","step":"step",'
        b'"result":{"a":[1,null,{"$bytes":"AA=="}]},"loop_path":"loop path","attempt":7,"b'
        b'ranch":"branch","status":6,"tagged":true,"blob":"blob","started_at":170000000000'
        b'0010,"ended_at":1700000000000008}]]}',
    ),
    (
        "step.failed",
        b'{"v":1,"events":[["step.failed",{"execution_id":"execution id","step":"step","er'
        b'ror":"error","loop_path":"loop path","attempt":7,"ignored":true,"started_at":170'
        b'0000000000010,"ended_at":1700000000000008}]]}',
    ),
    (
        "state.changed",
        b'{"v":1,"events":[["state.changed",{"execution_id":"execution id","scope":"cross_'
        b'flow","owner":"owner","key":"key","value":{"a":[1,null,{"$bytes":"AA=="}]},"tagg'
        b'ed":true,"removed":true}]]}',
    ),
    (
        "log.written",
        b'{"v":1,"events":[["log.written",{"execution_id":"execution id","level":"level","'
        b'message":"message","step":"step","loop_path":"loop path"}]]}',
    ),
    (
        "execution.completed",
        b'{"v":1,"events":[["execution.completed",{"execution_id":"execution id","response'
        b'":{"status":201,"content_type":"text/plain","headers":{"x-a":"1"},"result":"ok",'
        b'"tagged":true,"blob":"key"}}]]}',
    ),
    (
        "execution.failed",
        b'{"v":1,"events":[["execution.failed",{"execution_id":"execution id","error":"err'
        b'or","step":"step"}]]}',
    ),
    (
        "admission.decided",
        b'{"v":1,"events":[["admission.decided",{"reply_to":"reply to","request_no":10,"ex'
        b'ecution_id":"execution id","reason":"instance_removed","limit":5}]]}',
    ),
    (
        "result.ready",
        b'{"v":1,"events":[["result.ready",{"reply_to":"reply to","request_no":10,"executi'
        b'on_id":"execution id","partition":9,"offset":6,"error":"error","response":{"stat'
        b'us":201,"content_type":"text/plain","headers":{"x-a":"1"},"result":"ok","tagged"'
        b':true,"blob":"key"}}]]}',
    ),
    (
        "record.dead_lettered",
        b'{"v":1,"events":[["record.dead_lettered",{"topic":"topic","partition":9,"offset"'
        b':6,"appended_at":1700000000000011,"key":"key","value":"value","cause":"cause"}]]'
        b"}",
    ),
    (
        "flow.invoked",
        b'{"v":1,"events":[["flow.invoked",{"execution_id":"execution id","instance_id":"i'
        b'nstance id","flow":"flow","request":{"method":"POST","path":"p/q","headers":[["C'
        b'ontent-Type","text/plain"]],"query":[["a","1"]],"body":"h\xc3\xa9","encoding":"text","'
        b'body_bytes":3,"content_type":"text/plain"},"invoked_by":"invoked by","step":"ste'
        b'p","loop_path":"loop path","invoke_type":"CROSS_FLOW","invoke_url":"invoke url",'
        b'"is_batch":true}]]}',
    ),
    (
        "lifecycle.happened",
        b'{"v":1,"events":[["lifecycle.happened",{"instance_id":"instance id","occasion":"'
        b'remove","change":6,"part":"part","flow":"flow","base_url":"base url","cross_flow'
        b'_state":{"a":[1,null]},"trigger_partition":17,"trigger_offset":14}]]}',
    ),
    (
        "execution.admitted",
        b'{"v":1,"events":[["execution.admitted",{"execution_id":"execution id","trigger_p'
        b'artition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"e'
        b'ndpoint id","instance_id":"instance id","customer_id":"customer id","integration'
        b'_id":"integration id","version":7,"flow":"flow","request":{"method":"POST","path'
        b'":"p/q","headers":[["Content-Type","text/plain"]],"query":[["a","1"]],"body":"h\xc3'
        b'\xa9","encoding":"text","body_bytes":3,"content_type":"text/plain"},"synchronous":t'
        b'rue,"reply_to":"reply to","request_no":10,"invoke_type":"DEPLOY_FLOW","invoke_ur'
        b'l":"invoke url","invoked_by":"invoked by","is_batch":true,"change":6}]]}',
    ),
    (
        "integration.published",
        b'{"v":1,"events":[["integration.published",{"integration_id":"integration id","na'
        b'me":"name","version":7,"definition":"definition","language":"python","manifest":'
        b'"manifest"}]]}',
    ),
    (
        "signal.received",
        b'{"v":1,"events":[["signal.received",{"instance_id":"instance id","execution_id":'
        b'"execution id","name":"approved","data":{"by":["ann",1]},"idempotency_key":"key"'
        b',"trigger_partition":2,"trigger_offset":14}]]}',
    ),
    (
        "execution.suspended",
        b'{"v":1,"events":[["execution.suspended",{"execution_id":"execution id","step":"s'
        b'tep","loop_path":"loop path","until":1700000000000011,"waits_for":"approved","se'
        b'quence":3}]]}',
    ),
    (
        "execution.resumed",
        b'{"v":1,"events":[["execution.resumed",{"execution_id":"execution id"}]]}',
    ),
    (
        "execution.carried",
        b'{"v":1,"events":[["execution.carried",{"execution_id":"execution id","wake_at":1'
        b"700000000000011}]]}",
    ),
    (
        "step.scheduled",
        b'{"v":1,"events":[["step.scheduled",{"execution_id":"execution id","step":"step",'
        b'"loop_path":"loop path","attempt":7,"idempotency_key":"idempotency key","sequenc'
        b'e":3}]]}',
    ),
    (
        "step.succeeded",
        b'{"v":1,"events":[["step.succeeded",{"execution_id":"execution id","step":"step",'
        b'"result":{"a":1},"loop_path":"loop path","attempt":7,"branch":"branch","status":'
        b'6,"tagged":true,"blob":"blob","started_at":1700000000000010,"ended_at":170000000'
        b'0000008,"kept":{"a":[1,null]}}]]}',
    ),
    (
        "execution.completed",
        b'{"v":1,"events":[["execution.completed",{"execution_id":"execution id","response'
        b'":{"status":201,"content_type":"text/plain","headers":{"x-a":"1"},"result":"ok",'
        b'"tagged":true,"blob":"key"},"result_type":"POLLED_NO_CHANGES"}]]}',
    ),
    (
        "trigger.answered",
        b'{"v":1,"events":[["trigger.answered",{"reply_to":"reply to","request_no":10,"exe'
        b'cution_id":"execution id","status":201,"content_type":"text/plain","headers":{"x'
        b'-a":"1"},"body":"body","error":"error"}]]}',
    ),
    (
        "step.succeeded",
        b'{"v":1,"events":[["step.succeeded",{"execution_id":"execution id","step":"step",'
        b'"result":1,"sequence":3}]]}',
    ),
    (
        "instance.deployed",
        b'{"v":1,"events":[["instance.deployed",{"instance_id":"instance id","name":"name"'
        b',"integration_id":"integration id","version":7,"customer_id":"customer id","endp'
        b'oints":{"Main":"e1"},"sealed":"sealed","revision":3}]]}',
    ),
    (
        "execution.admitted",
        b'{"v":1,"events":[["execution.admitted",{"execution_id":"execution id","trigger_p'
        b'artition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"e'
        b'ndpoint id","instance_id":"instance id","customer_id":"customer id","integration'
        b'_id":"integration id","version":7,"flow":"flow","request":{"method":"POST","path'
        b'":"","headers":[],"query":[],"body":"","encoding":"text","body_bytes":0,"content'
        b'_type":""},"synchronous":false,"reply_to":"","request_no":0,"revision":3}]]}',
    ),
    (
        "version.released",
        b'{"v":1,"events":[["version.released",{"integration_id":"integration id","version'
        b'":7,"comment":"comment"}]]}',
    ),
    (
        "state.requested",
        b'{"v":1,"events":[["state.requested",{"request_id":"request id","integration_id":'
        b'"integration id","execution_id":"execution id","action":"saveIntegrationValue","'
        b'inputs":{"keyInput":"k","valueInput":{"$bytes":"AA=="}},"at":1700000000000010,"a'
        b'sked_by":3,"tagged":true}]]}',
    ),
    (
        "state.answered",
        b'{"v":1,"events":[["state.answered",{"request_id":"request id","result":[1],"tagg'
        b'ed":true,"error":"error","is_long":true}]]}',
    ),
    (
        "step.succeeded",
        b'{"v":1,"events":[["step.succeeded",{"execution_id":"execution id","step":"step",'
        b'"result":1,"inputs":{"url":"https://e.test","connection":{"$configVar":"Shop"}}}]]}',
    ),
    (
        "step.failed",
        b'{"v":1,"events":[["step.failed",{"execution_id":"execution id","step":"step","er'
        b'ror":"error","inputs":{"data":{"$omitted":{"bytes":9000,"sha256":"ab"}}}}]]}',
    ),
    (
        "step.failed",
        b'{"v":1,"events":[["step.failed",{"execution_id":"execution id","step":"step","er'
        b'ror":"error","sequence":3}]]}',
    ),
    (
        "instance.deployed",
        b'{"v":1,"events":[["instance.deployed",{"instance_id":"instance id","name":"name"'
        b',"integration_id":"integration id","version":7,"customer_id":"customer id","endp'
        b'oints":{"Main":"e1"},"sealed":"sealed","api_key_hashes":{},"rate_limit":10,"endp'
        b'oint_type":"shared_instance"}]]}',
    ),
    (
        "webhook.received",
        b'{"v":1,"events":[["webhook.received",{"endpoint_id":"endpoint id","request":{"me'
        b'thod":"POST","path":"orders/1","headers":[["Content-Type","text/plain"]],"query"'
        b':[["a","1"]],"body":"h","encoding":"text","body_bytes":1,"content_type":"text/pl'
        b'ain"},"synchronous":true,"reply_to":"reply to","request_no":10,"invoke_url":"inv'
        b'oke url","by_flow":true,"api_key_hash":"ab12","idempotency_key":"key","fingerpri'
        b'nt":"ff00"}]]}',
    ),
    (
        "execution.admitted",
        b'{"v":1,"events":[["execution.admitted",{"execution_id":"execution id","trigger_p'
        b'artition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"e'
        b'ndpoint id","instance_id":"instance id","customer_id":"customer id","integration'
        b'_id":"integration id","version":7,"flow":"flow","request":{"method":"POST","path'
        b'":"orders/1","headers":[["Content-Type","text/plain"]],"query":[["a","1"]],"body'
        b'":"h","encoding":"text","body_bytes":1,"content_type":"text/plain"},"synchronous'
        b'":true,"reply_to":"reply to","request_no":10,"invoke_type":"WEBHOOK","invoke_url'
        b'":"invoke url","invoked_by":null,"is_batch":false,"change":null,"preprocess":{"b'
        b'y_flow":true,"api_key_hash":"ab12"},"continues":true,"idempotency_key":"key","fi'
        b'ngerprint":"ff00"}]]}',
    ),
    (
        "trigger.refused",
        b'{"v":1,"events":[["trigger.refused",{"execution_id":"execution id","trigger_part'
        b'ition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"endp'
        b'oint id","instance_id":"instance id","flow":"flow","reason":"repeated","limit":0'
        b',"repeats":"first id","customer":"acme"}]]}',
    ),
    (
        "dispatch.requested",
        b'{"v":1,"events":[["dispatch.requested",{"admission":{"execution_id":"execution i'
        b'd","trigger_partition":17,"trigger_offset":14,"received_at":1700000000000011,"en'
        b'dpoint_id":"endpoint id","instance_id":"instance id","customer_id":"customer id"'
        b',"integration_id":"integration id","version":7,"flow":"flow","request":{"method"'
        b':"POST","path":"orders/1","headers":[["Content-Type","text/plain"]],"query":[["a'
        b'","1"]],"body":"h","encoding":"text","body_bytes":1,"content_type":"text/plain"}'
        b',"synchronous":true,"reply_to":"reply to","request_no":10,"invoke_type":"WEBHOOK'
        b'","invoke_url":"invoke url","invoked_by":null,"is_batch":false,"change":null,"pr'
        b'eprocess":{"by_flow":true,"api_key_hash":"ab12"},"continues":true,"idempotency_k'
        b'ey":"key","fingerprint":"ff00"}}]]}',
    ),
    (
        "keys.remembered",
        b'{"v":1,"events":[["keys.remembered",{"trigger_partition":17,"keys":[["endpoint i'
        b'd","key","ff00","execution id",1700000000000011]]}]]}',
    ),
    (
        "execution.started",
        b'{"v":1,"events":[["execution.started",{"execution_id":"execution id","instance_i'
        b'd":"instance id","flow":"flow","admission_partition":19,"admission_offset":16,"t'
        b'rigger_partition":17,"trigger_offset":14,"preprocess":true,"continues":true}]]}',
    ),
    (
        "flow.dispatched",
        b'{"v":1,"events":[["flow.dispatched",{"execution_id":"execution id","flow":"flow"'
        b',"instance_id":"instance id","customer_id":"customer id","integration_id":"integ'
        b'ration id","version":7,"synchronous":true}]]}',
    ),
    (
        "execution.handed_over",
        b'{"v":1,"events":[["execution.handed_over",{"execution_id":"execution id"}]]}',
    ),
    (
        "execution.failed",
        b'{"v":1,"events":[["execution.failed",{"execution_id":"execution id","error":"err'
        b'or","step":"step","reason":"unknown_flow"}]]}',
    ),
    (
        "admission.decided",
        b'{"v":1,"events":[["admission.decided",{"reply_to":"reply to","request_no":10,"ex'
        b'ecution_id":"execution id","reason":null,"limit":0,"instance_id":"instance id","'
        b'flow":"flow","customer":"acme","synchronous":true}]]}',
    ),
    (
        "result.ready",
        b'{"v":1,"events":[["result.ready",{"reply_to":"reply to","request_no":10,"executi'
        b'on_id":"execution id","partition":9,"offset":6,"error":"error","response":null,"'
        b'reason":"unknown_flow"}]]}',
    ),
    (
        "instance.deployed",
        b'{"v":1,"events":[["instance.deployed",{"instance_id":"instance id","name":"name"'
        b',"integration_id":"integration id","version":7,"customer_id":"customer id","endp'
        b'oints":{"Main":"e1"},"sealed":"sealed","api_key_hashes":{},"rate_limit":50,"endp'
        b'oint_type":"flow_specific","schedules":[{"flow":"Main","expression":"*/5 * * * *'
        b'","time_zone":"Europe/Berlin","schedule_type":"minute","catch_up":"all","max_cat'
        b'ch_up":5,"overlap":"skip","jitter_s":3,"since":1700000000000011,"change":4},{"fl'
        b'ow":"Main","expression":"0 0 * * *","time_zone":"","schedule_type":"custom","cat'
        b'ch_up":"last","max_catch_up":100,"overlap":"allow","jitter_s":0,"since":null,"ch'
        b'ange":null}]}]]}',
    ),
    (
        "instance.resumed",
        b'{"v":1,"events":[["instance.resumed",{"instance_id":"instance id","paused_at":17'
        b"00000000000011}]]}",
    ),
    (
        "tick.elapsed",
        b'{"v":1,"events":[["tick.elapsed",{"schedule_id":"schedule id","instance_id":"ins'
        b'tance id","flow":"flow","due_at":1700000000000071,"first_due_at":170000000000001'
        b'1,"change":4,"expression":"*/5 * * * *","time_zone":"Europe/Berlin","engine":"cr'
        b'oniter","engine_version":"5.0.1","jitter_s":3,"count":2,"newer":1,"is_paused":tr'
        b"ue}]]}",
    ),
    (
        "schedules.followed",
        b'{"v":1,"events":[["schedules.followed",{"through":1700000000000011,"change":5}]]}',
    ),
    (
        "execution.admitted",
        b'{"v":1,"events":[["execution.admitted",{"execution_id":"execution id","trigger_p'
        b'artition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"e'
        b'ndpoint id","instance_id":"instance id","customer_id":"customer id","integration'
        b'_id":"integration id","version":7,"flow":"flow","request":{"method":"","path":""'
        b',"headers":[],"query":[],"body":"","encoding":"text","body_bytes":0,"content_typ'
        b'e":""},"synchronous":false,"reply_to":"","request_no":0,"invoke_type":"SCHEDULED'
        b'","invoke_url":"","invoked_by":null,"is_batch":false,"change":null,"preprocess":'
        b'null,"continues":false,"idempotency_key":"","fingerprint":"","schedule_id":"sche'
        b'dule id","due_at":1700000000000006,"overlap":"cancel"}]]}',
    ),
    (
        "tick.skipped",
        b'{"v":1,"events":[["tick.skipped",{"schedule_id":"schedule id","instance_id":"ins'
        b'tance id","flow":"flow","due_at":1700000000000071,"first_due_at":170000000000001'
        b'1,"reason":"overlap","trigger_partition":17,"trigger_offset":14,"received_at":17'
        b'00000000000011,"count":2,"execution_id":"execution id","open_execution_id":"othe'
        b'r id","admission_partition":19,"admission_offset":16}]]}',
    ),
    (
        "schedule.fell_behind",
        b'{"v":1,"events":[["schedule.fell_behind",{"schedule_id":"schedule id","instance_'
        b'id":"instance id","flow":"flow","due_at":1700000000000011,"late_s":11.5,"trigger'
        b'_partition":17,"trigger_offset":14}]]}',
    ),
    (
        "execution.started",
        b'{"v":1,"events":[["execution.started",{"execution_id":"execution id","instance_i'
        b'd":"instance id","flow":"flow","admission_partition":19,"admission_offset":16,"t'
        b'rigger_partition":17,"trigger_offset":14,"preprocess":false,"continues":false,"s'
        b'chedule_id":"schedule id","overlap":"queue"}]]}',
    ),
    (
        "execution.canceled",
        b'{"v":1,"events":[["execution.canceled",{"execution_id":"execution id","reason":"'
        b'reason","by":"other id"}]]}',
    ),
    (
        "instance.deployed",
        b'{"v":1,"events":[["instance.deployed",{"instance_id":"instance id","name":"name"'
        b',"integration_id":"integration id","version":7,"customer_id":"customer id","endp'
        b'oints":{"Main":"e1"},"sealed":"sealed","api_key_hashes":{"Main":["ab12"]},"rate_'
        b'limit":10,"endpoint_type":"endpoint type","revision":8,"schedules":[],"base_url"'
        b':"base url","entails_more":true}]]}',
    ),
    (
        "instance.removed",
        b'{"v":1,"events":[["instance.removed",{"instance_id":"instance id","entails_more"'
        b":true}]]}",
    ),
    (
        "lifecycle.followed",
        b'{"v":1,"events":[["lifecycle.followed",{"instance_id":"instance id","change":6}]]}',
    ),
    (
        "execution.carried",
        b'{"v":1,"events":[["execution.carried",{"execution_id":"execution id","wake_at":1'
        b'700000000000011,"invoked_by":"invoked by"}]]}',
    ),
    (
        "instance.deployed",
        b'{"v":1,"events":[["instance.deployed",{"instance_id":"instance id","name":"name"'
        b',"integration_id":"integration id","version":7,"customer_id":"customer id","endp'
        b'oints":{"Main":"e1"},"sealed":"sealed","api_key_hashes":{},"rate_limit":50,"endp'
        b'oint_type":"flow_specific","key_fields":{"Main":["body","data","id"]},"revision"'
        b':0,"schedules":[],"base_url":"","entails_more":false}]]}',
    ),
    (
        "flow.dispatched",
        b'{"v":1,"events":[["flow.dispatched",{"execution_id":"execution id","flow":"flow"'
        b',"instance_id":"instance id","customer_id":"customer id","integration_id":"integ'
        b'ration id","version":7,"synchronous":true,"revision":3}]]}',
    ),
    (
        "execution.admitted",
        b'{"v":1,"events":[["execution.admitted",{"execution_id":"execution id","trigger_p'
        b'artition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"e'
        b'ndpoint id","instance_id":"instance id","customer_id":"customer id","integration'
        b'_id":"integration id","version":7,"flow":"flow","request":{"method":"","path":""'
        b',"headers":[],"query":[],"body":"","encoding":"text","body_bytes":0,"content_typ'
        b'e":""},"synchronous":false,"reply_to":"","request_no":0,"invoke_type":"SCHEDULED'
        b'","invoke_url":"","invoked_by":null,"is_batch":false,"change":null,"preprocess":'
        b'null,"continues":false,"idempotency_key":"","fingerprint":"","revision":0,"sched'
        b'ule_id":"schedule id","due_at":1700000000000006,"overlap":"cancel","jitter_s":3}'
        b"]]}",
    ),
    (
        "instance.deployed",
        b'{"v":1,"events":[["instance.deployed",{"instance_id":"instance id","name":"name"'
        b',"integration_id":"integration id","version":7,"customer_id":"customer id","endp'
        b'oints":{"Main":"e1"},"sealed":"sealed","api_key_hashes":{"Main":["ab12"]},"rate_'
        b'limit":10,"endpoint_type":"endpoint type","key_fields":{"Main":["a"]},"revision"'
        b':8,"schedules":[],"base_url":"base url","entails_more":true,"is_first":true}]]}',
    ),
    (
        "webhook.received",
        b'{"v":1,"events":[["webhook.received",{"endpoint_id":"endpoint id","request":{"me'
        b'thod":"POST","path":"orders/1","headers":[["Content-Type","text/plain"]],"query"'
        b':[["a","1"]],"body":"h","encoding":"text","body_bytes":1,"content_type":"text/pl'
        b'ain"},"synchronous":true,"reply_to":"reply to","request_no":10,"invoke_url":"inv'
        b'oke url","by_flow":true,"api_key_hash":"ab12","idempotency_key":"key","fingerpri'
        b'nt":"ff00","change":3}]]}',
    ),
    (
        "flow.answered",
        b'{"v":1,"events":[["flow.answered",{"execution_id":"execution id","invoked":"invo'
        b'ked","response":{"status":201,"content_type":"text/plain","headers":{"x-a":"1"},'
        b'"result":"ok","tagged":true,"blob":"key"},"error":"error"}]]}',
    ),
    (
        "flow.invoked",
        b'{"v":1,"events":[["flow.invoked",{"execution_id":"execution id","instance_id":"i'
        b'nstance id","flow":"flow","request":{"method":"","path":"","headers":[],"query":'
        b'[],"body":"","encoding":"text","body_bytes":0,"content_type":""},"invoked_by":"i'
        b'nvoked by","step":"step","loop_path":"loop path","invoke_type":"CROSS_FLOW","inv'
        b'oke_url":"invoke url","is_batch":false,"waits":true,"depth":3}]]}',
    ),
    (
        "execution.admitted",
        b'{"v":1,"events":[["execution.admitted",{"execution_id":"execution id","trigger_p'
        b'artition":17,"trigger_offset":14,"received_at":1700000000000011,"endpoint_id":"e'
        b'ndpoint id","instance_id":"instance id","customer_id":"customer id","integration'
        b'_id":"integration id","version":7,"flow":"flow","request":{"method":"","path":""'
        b',"headers":[],"query":[],"body":"","encoding":"text","body_bytes":0,"content_typ'
        b'e":""},"synchronous":true,"reply_to":"","request_no":0,"invoke_type":"CROSS_FLOW'
        b'","invoke_url":"","invoked_by":"invoked by","is_batch":false,"change":null,"prep'
        b'rocess":null,"continues":false,"idempotency_key":"","fingerprint":"","revision":'
        b'0,"schedule_id":null,"due_at":null,"overlap":"allow","jitter_s":0,"depth":3}]]}',
    ),
)
