"""A relay of the original's kind: Flask-SocketIO, one room a stream.

usage: flask_relay.py PORT

What it keeps it keeps in memory, so its figures are without any archive.
"""

import uuid

import eventlet

eventlet.monkey_patch()

from flask import Flask, jsonify, request  # noqa: E402
from flask_socketio import SocketIO, emit, join_room  # noqa: E402

app = Flask(__name__)
io = SocketIO(app, async_mode="eventlet", cors_allowed_origins="*")
streams = {}


@app.post("/api/streams")
def create():
    stream_id = str(uuid.uuid4())
    streams[stream_id] = {"is_live": True, "chunks": []}
    return jsonify({"stream_id": stream_id})


@app.post("/api/streams/<stream_id>/audio")
def audio(stream_id):
    if stream_id not in streams:
        return jsonify({"error": "Stream not found"}), 404
    data = request.get_data()
    io.emit("audio_data", {"stream_id": stream_id, "data": data}, room=stream_id)
    return jsonify({"success": True})


@app.post("/api/streams/<stream_id>/end")
def end(stream_id):
    streams[stream_id]["is_live"] = False
    return jsonify({"success": True})


@io.on("join_stream")
def join(data):
    stream_id = data["stream_id"]
    join_room(stream_id)
    emit("joined", {"stream_id": stream_id, **streams[stream_id]})


if __name__ == "__main__":
    import sys

    port = int(sys.argv[1])
    print("ready", flush=True)
    io.run(app, host="127.0.0.1", port=port, log_output=False)
