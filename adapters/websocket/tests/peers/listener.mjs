// A listener by the contract, with the browsers' own client of Socket.IO.
// usage: node listener.mjs URL STREAM_ID TRANSPORTS BYTES
import { createHash } from "node:crypto";
import { io } from "socket.io-client";

const [url, streamId, transports, bytes] = process.argv.slice(2);
const wanted = Number(bytes);
const socket = io(url, { transports: transports.split(","), reconnection: false });
const heard = createHash("sha256");
const state = { bytes: 0, joined: null, chunks: [], error: null, upgraded: false };

const end = () => {
  state.heard = heard.digest("hex");
  state.upgraded = socket.io.engine.transport.name === "websocket";
  console.log(JSON.stringify(state));
  socket.disconnect();
  process.exit(0);
};
setTimeout(end, 20_000);

socket.on("connect", () => socket.emit("join_stream", { stream_id: streamId }));
socket.on("joined", (data) => {
  state.joined = { stream_id: data.stream_id, is_live: data.is_live };
  state.chunks = data.chunks;
  console.log("joined");
});
socket.on("audio_data", (data) => {
  const part = Buffer.from(data.data);
  heard.update(part);
  state.bytes += part.length;
  if (state.bytes >= wanted) end();
});
socket.on("new_chunk", (data) => state.chunks.push(data.chunk_id));
socket.on("error", (data) => {
  state.error = data.message;
  end();
});
socket.on("connect_error", (error) => {
  state.error = error.message;
  end();
});
