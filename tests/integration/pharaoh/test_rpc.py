"""JSON-RPC 2.0 to the Pharaoh services: calls, batches, errors with sentences; waiting over WebSocket."""
import http.client
import json
import threading

import pytest
from waiting import wait_until
from websocket import WebSocket

SECONDS = 30


def post(node, body):
    connection = http.client.HTTPConnection("127.0.0.1", node.ports["http"], timeout=SECONDS)
    try:
        connection.request("POST", "/rpc", body if isinstance(body, str | bytes) else json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def call(node, method, **params):
    status, answer = post(node, {"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    assert status == 200 and answer["jsonrpc"] == "2.0" and answer["id"] == 7, answer
    return answer.get("result") or answer["error"]


@pytest.fixture(params=["obelisk", "all"])
def served(new_node, request):
    return new_node("--roles", request.param, "--pharaoh-port", "0")


def test_every_service(served):
    ids = call(served, "ids", count=3)["ids"]
    assert len(set(ids)) == 3 and ids == sorted(ids, key=int)
    assert int(call(served, "timestamps", count=10)["first"]) > 0
    assert len(call(served, "begin", count=2)["ids"]) == 2
    assert call(served, "sequence", name="orders", count=2)["first"] == "1"
    assert call(served, "sequence", name="orders")["first"] == "3"
    session = call(served, "session.open", ttl_ms=10000, slot=5)["session"]
    taken = call(served, "lock.take", name="l", session=session, value="hello")
    assert call(served, "lock.look", name="l") | {"epoch": "", "slot": 0} == {
        "slot": 0, "epoch": "", "session": session, "token": taken["token"], "value": "hello", "waiting": 0}
    assert call(served, "session.keep", sessions=[session, "99"]) | {"epoch": "", "slot": 5} == {
        "slot": 5, "epoch": "", "kept": 1, "gone": ["99"]}
    assert "code" not in call(served, "lock.release", name="l", session=session, token=taken["token"])
    assert call(served, "lock.look", name="l")["code"] == 3
    assert "code" not in call(served, "session.close", session=session)
    assert call(served, "status")["counters"]["sessions"] == 0
    served.stop()


def test_health(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.ports["http"], timeout=SECONDS)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    assert answer.status == 200 and json.loads(answer.read()) == {"status": "alive"}
    connection.close()


def test_batches_and_errors(served):
    status, answers = post(served, [{"jsonrpc": "2.0", "id": i, "method": "ids"} for i in range(50)] +
                           [{"jsonrpc": "2.0", "method": "ids"}, {"jsonrpc": "2.0", "id": "x", "method": "nothing"}, 5])
    assert status == 200 and len(answers) == 52  # nobody wants an answer to a notification
    assert len({answer["result"]["ids"][0] for answer in answers[:50]}) == 50
    assert [answer["error"]["code"] for answer in answers[50:]] == [-32601, -32600]
    assert post(served, {"jsonrpc": "2.0", "method": "ids"}) == (204, None)
    for body, code in (("{", -32700), ("[]", -32600), ("3", -32600), ('{"jsonrpc":"1.0","method":"ids","id":1}', -32600),
                       ('{"jsonrpc":"2.0","method":"ids","id":1,"params":[1]}', -32602),
                       ('{"jsonrpc":"2.0","method":"ids","id":1,"params":{"count":-1}}', -32602),
                       ('{"jsonrpc":"2.0","method":"ids","id":1,"params":{"count":0}}', 2),
                       ('{"jsonrpc":"2.0","method":"session.keep","id":1,"params":{"sessions":[{}]}}', -32602),
                       (b'{"jsonrpc":"2.0","method":"\xff","id":1}', -32700)):
        status, answer = post(served, body)
        assert status == 200 and answer["error"]["code"] == code and len(answer["error"]["message"]) > 10, (body, answer)


def test_a_lock_is_waited_for_over_websocket(served):
    holder, waiter = (call(served, "session.open", ttl_ms=20000)["session"] for _ in range(2))
    token = call(served, "lock.take", name="l", session=holder)["token"]
    socket = WebSocket(served.ports["http"], "/rpc")
    socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "lock.take",
                            "params": {"name": "l", "session": waiter, "wait_ms": 20000}}))
    socket.send(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "ids"}))
    assert json.loads(socket.receive())["id"] == 2  # the connection goes on
    wait_until(lambda: call(served, "lock.look", name="l")["waiting"] == 1, 10, "it stands in line")
    call(served, "lock.release", name="l", session=holder, token=token)
    granted = json.loads(socket.receive())
    assert granted["id"] == 1 and int(granted["result"]["token"]) > int(token)
    socket.close()


def test_who_waits_is_told_when_the_node_stops(served):
    holder, waiter = (call(served, "session.open", ttl_ms=20000)["session"] for _ in range(2))
    call(served, "lock.take", name="l", session=holder)
    told = []

    def wait():
        try:
            told.append(post(served, {"jsonrpc": "2.0", "id": 1, "method": "lock.take",
                                      "params": {"name": "l", "session": waiter, "wait_ms": 20000}}))
        except (OSError, http.client.HTTPException) as error:
            told.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: call(served, "lock.look", name="l")["waiting"] == 1, 10, "it stands in line")
    served.stop()
    thread.join(SECONDS)
    assert not thread.is_alive() and len(told) == 1


def test_a_sessions_end_is_waited_for_over_websocket(served):
    """Of one that is not kept, of one that is closed; one that lives is told when the wait is over; others go on meanwhile."""
    short, closed, lives = (call(served, "session.open", ttl_ms=ttl)["session"] for ttl in (300, 20000, 20000))
    socket = WebSocket(served.ports["http"], "/rpc")
    for number, (session, wait) in enumerate(((short, 20000), (closed, 20000), (lives, 200))):
        socket.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": "session.watch",
                                "params": {"session": session, "wait_ms": wait}}))
    told = {}
    while len(told) < 2:
        answer = json.loads(socket.receive())
        told[answer["id"]] = answer
    assert set(told) == {0, 2} and told[0]["result"]["session"] == short and told[2]["error"]["code"] == 12
    call(served, "session.close", session=closed)
    assert json.loads(socket.receive())["result"]["session"] == closed
    socket.close()
    for _ in range(50):  # who goes away in the middle leaves nothing behind
        socket = WebSocket(served.ports["http"], "/rpc")
        socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "session.watch", "params": {"session": lives, "wait_ms": 60000}}))
        socket.close()
    call(served, "session.close", session=lives)
    wait_until(lambda: call(served, "status")["counters"]["sessions"] == 0, 10, "all sessions have ended")


def test_the_role_obelisk_has_metrics(obelisk):
    node = obelisk()
    call(node, "ids", count=7)
    connection = http.client.HTTPConnection("127.0.0.1", node.ports["http"], timeout=SECONDS)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    lines = response.read().decode().splitlines()
    assert response.status == 200 and "pyralog_pharaoh_ids_total 7" in lines and "pyralog_pharaoh_slots 1024" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines) and "pyralog_http_connections 1" in lines
    connection.close()
    node.stop()
