"""A listener by the contract: python-socketio for what is live, requests for what is stored.

usage: listener.py URL STREAM_ID TRANSPORTS BYTES
Joins, hears BYTES bytes, then gets every segment that it was told of, and writes what it heard and
what it got, in hex digests, as JSON. The library hands every message to a thread of its own, so
packets are put in order by the number in their first two bytes.
"""

import hashlib
import json
import sys
import threading

import requests
import socketio

url, stream_id, transports, wanted = sys.argv[1:5]
wanted = int(wanted)

client = socketio.Client(reconnection=False)
heard = []
state = {"bytes": 0, "joined": None, "chunks": [], "wrong": 0, "error": None}
joined, done = threading.Event(), threading.Event()


@client.event
def connect():
    client.emit("join_stream", {"stream_id": stream_id})


@client.on("joined")
def on_joined(data):
    state["joined"] = {"stream_id": data["stream_id"], "is_live": data["is_live"]}
    state["chunks"] = list(data["chunks"])
    print("joined", flush=True)
    joined.set()
    if wanted == 0:
        done.set()


@client.on("audio_data")
def on_audio(data):
    if data["stream_id"] != stream_id or not isinstance(data["data"], bytes):
        state["wrong"] += 1
    heard.append(data["data"])
    state["bytes"] += len(data["data"])


@client.on("new_chunk")
def on_chunk(data):
    state["chunks"].append(data["chunk_id"])
    if state["bytes"] >= wanted:
        done.set()


@client.on("error")
def on_error(data):
    state["error"] = data["message"]
    done.set()


client.connect(url, transports=transports.split(","))
done.wait(20)
state["transport"] = client.transport()
client.disconnect()

got = hashlib.sha256()
listed = []
if state["error"] is None:
    answer = requests.get(f"{url}/api/streams/{stream_id}/chunks", timeout=5).json()
    listed = answer["chunks"]
    state["is_live"] = answer["is_live"]
    for chunk in listed:
        answer = requests.get(f"{url}/api/chunks/{chunk}", timeout=5)
        answer.raise_for_status()
        state["wrong"] += answer.headers["Content-Type"] != "audio/raw"
        got.update(answer.content)
state["listed"] = listed
heard.sort(key=lambda part: part[:2])
state["heard"] = hashlib.sha256(b"".join(heard)).hexdigest()
state["got"] = got.hexdigest()
print(json.dumps(state), flush=True)
