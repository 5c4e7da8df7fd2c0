// What a bot in Node does at the least with a call that it records: read, decode, append.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";

// ITU-T G.711, mu-law.
const LINEAR = Int16Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff;
  const magnitude = (((bits & 0x0f) << 3) + 0x84 << ((bits & 0x70) >> 4)) - 0x84;
  return bits & 0x80 ? -magnitude : magnitude;
});

function decode(codes) {
  const samples = new Int16Array(codes.length);
  for (let index = 0; index < codes.length; index += 1) samples[index] = LINEAR[codes[index]];
  return samples;
}

const http = createServer();
const server = new WebSocketServer({ server: http, path: "/media-stream", perMessageDeflate: false });
server.on("connection", (socket) => {
  const audio = [];
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.event === "media") audio.push(decode(Buffer.from(message.media.payload, "base64")));
  });
});
http.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${http.address().port}`));
