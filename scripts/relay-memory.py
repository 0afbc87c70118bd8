#!/usr/bin/env python3
"""What a relay's listeners take of its memory, and whether it gives that back.

    scripts/relay-memory.py [PATH_OF_AUDIOX]

Starts a relay in a folder that it removes again, joins 2 000 listeners of each kind that hear
nothing, then has 15 000 join and leave in rounds of 250.
"""
import base64
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

LISTENERS, ROUNDS, EACH = 2_000, 60, 250


def main():
    audiox = sys.argv[1] if len(sys.argv) > 1 else "target/release/audiox"
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    for kind in ("websocket", "socketio"):
        with tempfile.TemporaryDirectory() as folder:
            with Relay(audiox, folder) as relay:
                before = relay.memory()
                listeners = [relay.join(kind) for _ in range(LISTENERS)]
                time.sleep(2)
                each = (relay.memory() - before) / LISTENERS
                print(f"{LISTENERS} idle listeners by {kind}: {each:.1f} KiB each")
    with tempfile.TemporaryDirectory() as folder:
        with Relay(audiox, folder) as relay:
            sizes = []
            for number in range(ROUNDS):
                kind = ("websocket", "socketio")[number % 2]
                listeners = [relay.join(kind) for _ in range(EACH)]
                relay.request(f"/api/streams/{relay.stream}/audio", bytes(2_048))
                for listener in listeners:
                    listener.close()
                time.sleep(0.05)
                sizes.append(relay.memory())
            time.sleep(2)
            print(
                f"{ROUNDS * EACH} joined and left: {sizes[ROUNDS // 3]} KiB after a third, "
                f"{relay.memory()} KiB at the end, {relay.files()} files open"
            )


class Relay:
    """A relay with one stream."""

    def __init__(self, audiox, folder):
        command = [audiox, "relay", "--listen", "127.0.0.1:0", "--json"]
        command += ["--store", f"{folder}/archive", "--spool", f"{folder}/spool"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        address = json.loads(self.process.stdout.readline())["addresses"][0]
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        self.stream = json.loads(self.request("/api/streams", b""))["stream_id"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def request(self, path, body):
        url = f"http://{self.address[0]}:{self.address[1]}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body, method="POST")) as answer:
            return answer.read()

    def memory(self):
        """Resident, in KiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def join(self, kind):
        path = f"/api/streams/{self.stream}/listen"
        if kind == "socketio":
            path = "/socket.io/?EIO=4&transport=websocket"
        key = base64.b64encode(os.urandom(16)).decode()
        listener = socket.create_connection(self.address)
        listener.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        if kind == "socketio":
            until(listener, b'"sid"')
            send(listener, "40")
            until(listener, b"40")
            send(listener, "42" + json.dumps(["join_stream", {"stream_id": self.stream}]))
            until(listener, b"joined")
        else:
            until(listener, b"101 ")
        return listener


def until(listener, part):
    heard = b""
    while part not in heard:
        more = listener.recv(4_096)
        assert more, heard
        heard += more


def send(listener, text):
    """A masked frame, by a mask that changes nothing."""
    data = text.encode()
    size = [0x80 | len(data)] if len(data) < 126 else [0x80 | 126, *len(data).to_bytes(2, "big")]
    listener.sendall(bytes([0x81, *size, 0, 0, 0, 0]) + data)


main()
