"""A client of the session player by the contract: python-socketio for its events.

usage: player.py URL TRANSPORTS EVENTS [WATCHED]
Prints `connected` and the message once it is, then every event as a line of JSON, and ends after
EVENTS of them. Where a session is given it is watched.
"""

import json
import sys
import threading

import socketio

url, transports, wanted = sys.argv[1:4]
watched = sys.argv[4] if len(sys.argv) > 4 else None

client = socketio.Client(reconnection=False)
told = 0
done = threading.Event()
lock = threading.Lock()


@client.on("connected")
def on_connected(data):
    print(json.dumps(["connected", data]), flush=True)
    if watched:
        client.emit("watch", {"session_id": watched})


def listen(name):
    @client.on(name)
    def on_event(data):
        global told
        with lock:
            print(json.dumps([name, data]), flush=True)
            told += 1
            if told >= int(wanted):
                done.set()


names = ["playback_complete", "playback_error"]
for each in names + ["session_grew"] if watched else names:
    listen(each)

client.connect(url, transports=transports.split(","))
done.wait(20)
client.disconnect()
